"""Which version of scikit-learn wrote a file, read without loading it, and what a difference means."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from modelport.core.errors import ModelportError
from modelport.runtimes.pickles.streams import open_pickle

#: The key, what may stand between (a memo), and the text after it, in pickle's protocols 0 and 1 to 5.
_IN_PICKLE = re.compile(
    rb"_sklearn_version(?:\np\d+|\x94|q.|r....)?(?:\n?V|\x8c.|X....)(\d+\.\d+[\w.+]{0,20}?)(?=[\n\x94qr}usX\x8c])", re.S
)
_IN_SKOPS = re.compile(rb'"_sklearn_version":\s*\{[^{}]*?"content":\s*"\\"([^"\\]+)\\""', re.S)
_CHUNK, _OVERLAP, _MOST = 4 << 20, 256, 1 << 30


def version_in_pickle(path: Path) -> str | None:
    """The version that wrote a pickle or joblib file; None where it does not say."""
    try:
        with open_pickle(path) as file:
            held, read = b"", 0
            while read < _MOST and (part := file.read(_CHUNK)):
                held, read = held[-_OVERLAP:] + part, read + len(part)
                found = _IN_PICKLE.search(held)
                if found is not None:
                    return found[1].decode()
    except (ModelportError, OSError, EOFError):  # loading it will tell
        pass
    return None


def version_in_skops(path: Path) -> str | None:
    """The version that wrote a skops file; None where it does not say."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("schema.json") as file:
            found = _IN_SKOPS.search(file.read(_MOST))
    except (OSError, KeyError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    return None if found is None else found[1].decode()


def difference(written: str | None, installed: str) -> str:
    """What it means that another version wrote the file; empty where there is none, or none that matters."""
    if written is None or _release(written) == _release(installed):
        return ""
    newer = _release(written) > _release(installed)
    return (
        f"written by scikit-learn {written}, loaded by {'older' if newer else 'newer'} scikit-learn {installed}: "
        "scikit-learn does not promise that it works or gives the same results. "
        f"Install scikit-learn=={written}, or fit and save the model anew"
    )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
