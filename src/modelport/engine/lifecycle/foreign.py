"""Models that another server's repository describes, as artifacts of ours."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.digest import fingerprint
from modelport.artifacts.model_file import NAME
from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.artifact import Artifact
from modelport.runtimes.repositories.described import Described
from modelport.runtimes.repositories.describing import describe


def described_in(folder: Path) -> tuple[str, dict[int, Artifact]] | None:
    """The model that Triton's, MLServer's or MLflow's description in a folder names; None where there is none.

    One that can't be read, or served, is there all the same: loading it says why.
    """
    try:
        found = describe(folder)
    except ModelportError as error:
        found = Described(folder.resolve().name, {1: folder}, problem=str(error))
    if found is None:
        return None
    return found.name, {number: _artifact(folder, path, found) for number, path in found.versions.items()}


def _artifact(folder: Path, path: Path, found: Described) -> Artifact:
    marks = tuple(mark for file in (*found.files, folder / NAME) for mark in fingerprint(file))
    inner = path if path.is_dir() else path.parent
    folders = (folder,) if inner == folder else (folder, inner)
    own = fingerprint(path if inner == folder else inner)
    return Artifact(path, own + marks, folders, found)
