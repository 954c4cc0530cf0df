"""What a model file would run when it is loaded, for `modelport inspect`: found without running it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelport.artifacts.digest import digest
from modelport.core.errors import ForbiddenError
from modelport.runtimes.catalog import detect, entry_for
from modelport.runtimes.pickles.scan import scan_pickle
from modelport.runtimes.trust import Trust, check_trust, describe, holds_pickles, source_imports


def code_document(path: Path, trust: Trust) -> dict[str, Any] | None:
    """What is known about a file that can run code, as a plain document; None for one that can't.

    `imports`, of pickles also `dangerous`, `unknown` and `error`; `description` in words; `refused` says why and how to
    trust it, where it is not trusted. Raises InvalidModelError for a file of no known format.
    """
    format = detect(path)  # noqa: A001 - the word of the field
    if not entry_for(format).runs_code:
        return None
    document: dict[str, Any] = {"format": format, "sha256": digest(path)}
    if holds_pickles(format):
        report = asdict(scan_pickle(path))
        document |= {"imports": list(report.pop("globals")), **report}
    else:
        document["imports"] = source_imports(path)
    document["description"] = describe(path, format)
    try:
        check_trust(path.stem, document["sha256"], path, format, trust)
    except ForbiddenError as error:
        document["refused"] = str(error)
    return document
