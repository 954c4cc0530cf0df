"""The models that `modelport inspect` is pointed at: a file, what a folder holds, each version of a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.artifacts.digest import files_of
from modelport.artifacts.model_file import NAME
from modelport.cli.prediction_input import UnreadableError
from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.source import files_beside, scan
from modelport.release.promotion.opening import artifact_at
from modelport.runtimes.catalog import detect
from modelport.runtimes.onnx.file import model_file, read_onnx


@dataclass(frozen=True, slots=True)
class Subject:
    """A version of a model, under the name that it would be served by."""

    name: str
    version: int
    artifact: Artifact

    @property
    def path(self) -> Path:
        """Where the model is."""
        return self.artifact.path

    @property
    def is_pipeline(self) -> bool:
        """Whether it is made of other models and has no file of its own."""
        described = self.artifact.described
        return self.path.name == NAME or (described is not None and "pipeline" in described.tables)


def subjects_at(path: Path) -> list[Subject]:
    """All models at a path, in the order of their names and versions; at least one.

    Raises UnreadableError where there is nothing, InvalidModelError where there is no model.
    """
    if not path.exists():
        raise UnreadableError(f"there is no file {str(path)!r}")
    if path.is_file():
        return [Subject(path.stem, 1, artifact_at(path))]
    found = scan((path,))
    subjects = [
        Subject(name, number, artifact) for name, versions in found.items() for number, artifact in versions.items()
    ]
    if not subjects:
        detect(path)  # says what the folder is instead
        return [Subject(path.resolve().stem, 1, artifact_at(path))]
    return subjects


def sizes(subject: Subject, options: dict[str, str]) -> tuple[int, int]:
    """Bytes of the model's own file or folder, and of the files beside it that belong to it."""
    path = subject.path
    own = list(files_of(path)) if path.is_dir() else [path]
    beside = {file.resolve() for file in (*files_beside(path, options), *_weights(path))} - {
        file.resolve() for file in own
    }
    return _bytes(own), _bytes(beside)


def _weights(path: Path) -> Iterator[Path]:
    """The files that an ONNX model names as holding its weights."""
    if path.suffix.lower() != ".onnx":
        return
    try:
        file = model_file(path)
        yield from (file.parent / location for location in read_onnx(file).graph.external)
    except ModelportError:  # its outline tells
        return


def _bytes(files: list[Path] | set[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())
