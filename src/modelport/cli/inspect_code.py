"""What a model file would run when it is loaded, for `modelport inspect`: found without running it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelport.runtimes.catalog import entry_for
from modelport.runtimes.pickles.scan import scan_pickle
from modelport.runtimes.trust import describe, holds_pickles, source_imports


def code_document(path: Path, format: str) -> dict[str, Any] | None:  # noqa: A002 - the word of the field
    """What is known about a file that can run code, as a plain document; None for one that can't.

    `imports`, of pickles also `dangerous`, `unknown` and `error`; `description` in words.
    """
    if not entry_for(format).runs_code:
        return None
    if not holds_pickles(format):
        return {"imports": source_imports(path), "description": describe(path, format)}
    report = scan_pickle(path)
    found = asdict(report)
    return {"imports": list(found.pop("globals")), **found, "description": describe(path, format, report)}


def dangers_in(code: dict[str, Any] | None, path: Path) -> list[str]:
    """The part of it that is known from attacks, in words."""
    if code is None:
        return []
    marked = [name.removesuffix(" (!)") for name in code["imports"] if name.endswith(" (!)")]
    found = [*code.get("dangerous", ()), *marked]
    return [f"{path.name} asks for {', '.join(found)}, which can reach beyond the model"] if found else []
