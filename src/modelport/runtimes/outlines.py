"""What a model file says of itself, told without its framework and without running anything of it.

`modelport inspect` shows this of files that are not loaded: those that nobody trusts, and those whose framework is not
installed.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature

#: Format → the module whose function `outline` reads such a file.
_READERS = {
    "onnx": "onnx",
    "skops": "sklearn",
    "pickle": "sklearn",
    "xgboost": "boosting",
    "lightgbm": "boosting",
    "catboost": "boosting",
    "openvino": "openvino",
    "torchscript": "torch",
    "torchserve": "torch",
    "torch_export": "torch",
    "safetensors": "torch",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "tflite": "tflite",
    "pmml": "pmml",
    "mlflow": "mlflow",
}
#: What readers of crafted or broken files raise.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OSError, RuntimeError, EOFError, zlib.error, BadZipFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What can be told. `parameters` are counted exactly or not at all; `signature` is as the file has it, without the
    owner's words; `dangers` are what in it could do harm, in words; `version` is that of what wrote it, `writer`.
    """

    writer: str = ""
    version: str = ""
    parameters: str = ""
    signature: Signature | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    dangers: tuple[str, ...] = ()


def outline_of(path: Path, format: str) -> Outline:  # noqa: A002 - the word of the field
    """The outline of a file of that format; an empty one where nothing can be told.

    Raises InvalidModelError for a file that is damaged, or that does what no model may.
    """
    package = _READERS.get(format)
    if package is None:
        return Outline()
    reader = importlib.import_module(f"modelport.runtimes.{package}.outline")
    try:
        found: Outline = reader.outline(path, format)
    except _DAMAGE as error:
        raise InvalidModelError(f"{path.name} is cut short or damaged: {type(error).__name__}: {error}") from None
    return found


def trees_text(trees: int, nodes: int, leaves: int = 0) -> str:
    """The size of an ensemble in words: `100 trees, 6358 nodes`."""
    count, one, many = (nodes, "node", "nodes") if nodes else (leaves, "leaf", "leaves")
    parts = [f"{trees} tree{'s' * (trees != 1)}", *([f"{count} {one if count == 1 else many}"] if count else [])]
    return ", ".join(parts) if trees else ""
