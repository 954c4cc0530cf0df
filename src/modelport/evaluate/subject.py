"""What is evaluated: anything with a signature that predicts, a loaded model or a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelport.core.datatypes import Array
from modelport.core.signature import Signature


@dataclass(frozen=True, slots=True)
class Subject:
    """A version of a model. `size` is that of its files in bytes; what is not known is empty or None.

    `golden` is what came of the requests stored with it: `ok`, why not, or empty where there are none.
    """

    name: str
    signature: Signature
    predict: Callable[[dict[str, Array]], dict[str, Array]]
    version: str = ""
    digest: str = ""
    format: str = ""
    size: int | None = None
    golden: str = ""
