"""Where models come from: a file, a folder of files, or version trees as Triton and TensorFlow Serving lay them out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.artifacts.digest import Fingerprint, fingerprint
from modelport.artifacts.model_file import NAME, ModelFile, model_file
from modelport.core.errors import InvalidInputError, ModelportError, NotFoundError
from modelport.core.references import check_model_name
from modelport.runtimes import catalog

_log = logging.getLogger("modelport.lifecycle")
_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp", "~")


@dataclass(frozen=True, slots=True)
class Artifact:
    """The files of one version, and the state in which they were seen.

    `folders` are those whose `modelport.toml` speaks of it, the last one with the last word.
    """

    path: Path
    fingerprint: Fingerprint
    folders: tuple[Path, ...] = ()

    def model_file(self, model: str) -> ModelFile:
        """What its owner says about it under that name. Raises InvalidModelError."""
        return model_file(model, *self.folders)


#: model → version → artifact
Found = dict[str, dict[int, Artifact]]


def scan(paths: tuple[Path, ...], name: str | None = None) -> Found:
    """Every model under the paths; `name` names the only one. Raises NotFoundError for a path that does not exist."""
    found: Found = {}
    for path in paths:
        try:
            if not path.exists():
                raise NotFoundError(f"{path} does not exist")
            for model, versions in _under(path):
                _add(found, model, versions)
        except OSError as error:
            raise NotFoundError(f"{error.filename or path} can't be read: {error.strerror or error}") from None
    if name is None:
        return found
    if len(found) != 1:
        models = ", ".join(sorted(found)) or "none"
        raise InvalidInputError(f"--name names a single model, but {len(found)} were found: {models}")
    return {check_model_name(name): next(iter(found.values()))}


def _add(found: Found, model: str, versions: dict[int, Artifact]) -> None:
    try:
        check_model_name(model)
    except InvalidInputError as error:
        _log.warning("skipped: %s", error)
        return
    if model in found:
        raise InvalidInputError(
            f"two models are called {model!r}: {_where(found[model])} and {_where(versions)}; rename one of them"
        )
    found[model] = versions


def _where(versions: dict[int, Artifact]) -> str:
    return str(next(iter(versions.values())).path)


def _under(path: Path) -> Iterator[tuple[str, dict[int, Artifact]]]:
    if path.is_file():
        yield path.stem, {1: _artifact(path)}
        return
    own = _versions(path)
    if own:
        yield path.resolve().name, own
        return
    for child in sorted(path.iterdir()):
        if _hidden(child):
            continue
        if child.is_dir():
            versions = _versions(child)
            if versions:
                yield child.name, versions
        elif _is_model(child):
            yield child.stem, {1: _artifact(child)}


def _versions(folder: Path) -> dict[int, Artifact]:
    """The numbered children of a folder that hold a model; leading zeros are allowed, as in TensorFlow Serving."""
    versions: dict[int, Artifact] = {}
    for child in sorted(folder.iterdir(), key=lambda child: (len(child.name), child.name)):
        number = _number(child.name)
        if number and child.is_dir():
            model = _model_in(child)
            if model is None:
                continue
            if number in versions:
                _log.warning("skipped: %s is version %d, and so is %s", child, number, versions[number].path)
                continue
            # all files of the folder tell a change: a model's weights may lie beside it, and come later
            folders = (folder, child)
            versions[number] = Artifact(model, fingerprint(child) + fingerprint(folder / NAME), folders)
    return versions


def _number(name: str) -> int:
    """The version that a folder's name says, or 0."""
    return int(name) if name.isascii() and name.isdigit() and len(name.lstrip("0")) <= 18 else 0


def _model_in(folder: Path) -> Path | None:
    """The model file of a version: `model.<suffix>` before others; the folder itself where that is the model."""
    files = [child for child in sorted(folder.iterdir()) if child.is_file() and not _hidden(child) and _is_model(child)]
    named = [file for file in files if file.stem == "model"]
    if files:
        return (named or files)[0]
    return folder if _detected(folder) else None


def _is_model(path: Path) -> bool:
    """Whether it is a model, or calls itself one: a broken `x.onnx` is shown as failed, not passed over."""
    return path.suffix[1:].lower() in catalog.BUILT_IN or _detected(path)


def _detected(path: Path) -> bool:
    try:
        catalog.detect(path)
    except ModelportError as error:
        _log.debug("passed over: %s", error)
        return False
    return True


def _hidden(path: Path) -> bool:
    """Files that are not there yet, or not for us: `.x`, `x.part`, `x~` …"""
    return path.name.startswith((".", "_")) or path.name.endswith(_UNFINISHED)


def _artifact(path: Path) -> Artifact:
    """A model of a single file, with its weights beside it as exporters of ONNX name them, and its owner's words."""
    beside = [path.with_name(name) for name in (path.name + ".data", path.name + "_data", NAME)]
    marks = tuple(mark for file in beside for mark in fingerprint(file))
    return Artifact(path, fingerprint(path) + marks, (path.parent,))
