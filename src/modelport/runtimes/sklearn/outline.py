"""What the files of scikit-learn's estimators say of themselves: which version wrote them."""

from __future__ import annotations

from pathlib import Path

from modelport.runtimes.outlines import Outline
from modelport.runtimes.sklearn.version import version_in_pickle, version_in_skops


def outline(path: Path, format: str) -> Outline:  # noqa: A002 - the word of the field
    """The outline of a pickle or a skops file; scikit-learn need not have written a pickle."""
    written = version_in_skops(path) if format == "skops" else version_in_pickle(path)
    return Outline(writer="scikit-learn" if written else "", version=written or "")
