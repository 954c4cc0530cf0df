"""The part of the hot path that is written in C. Everything works without it, and gives the same answers, slower.

`collect` is the extension, or None where it was not built (no compiler, another processor) or is not wanted
(`MODELPORT_NATIVE=0`).
"""

from __future__ import annotations

import os
from types import ModuleType

#: As in module.c: an extension that was built from other sources is not used.
REVISION = 6


def _load() -> ModuleType | None:
    if os.environ.get("MODELPORT_NATIVE") == "0":
        return None
    try:
        from modelport.native import _collect  # noqa: PLC0415 - it may be missing
    except ImportError:
        return None
    return _collect if _collect.REVISION == REVISION else None


collect = _load()
