"""Where models come from: a file, a folder of files, or version trees as Triton and TensorFlow Serving lay them out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from modelport.artifacts.digest import fingerprint
from modelport.artifacts.model_file import NAME, read_tables
from modelport.core.errors import InvalidInputError, ModelportError, NotFoundError
from modelport.core.references import check_model_name
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.foreign import described_in
from modelport.engine.lifecycle.sharing import with_shared
from modelport.runtimes import catalog
from modelport.runtimes.companions import companions
from modelport.runtimes.detection import is_one_model

_log = logging.getLogger("modelport.lifecycle")
_UNFINISHED = (".part", ".tmp", ".crdownload", ".swp", "~")


#: model → version → artifact
Found = dict[str, dict[int, Artifact]]


def scan(paths: tuple[Path, ...], name: str | None = None) -> Found:
    """Every model under the paths; `name` names the only one. Raises NotFoundError for a path that does not exist."""
    found: Found = {}
    for path in paths:
        try:
            if not path.exists():
                raise NotFoundError(f"{path} does not exist")
            for model, versions in _under(path if path.name.strip(".") else path.resolve()):  # "." has no name
                _add(found, model, versions)
        except OSError as error:
            raise NotFoundError(f"{error.filename or path} can't be read: {error.strerror or error}") from None
    found = with_shared(found, lambda folder: sum(1 for _ in _under(folder)))
    if name is None:
        return pipelines_last(found)
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
    if model in found and all(_joins(item) for item in (*found[model].values(), *versions.values())):
        _join(model, found[model], versions)
        return
    if model in found:
        raise InvalidInputError(
            f"two models are called {model!r}: {_where(found[model])} and {_where(versions)}; rename one of them"
        )
    found[model] = versions


def _joins(artifact: Artifact) -> bool:
    return artifact.described is not None and artifact.described.joins


def _join(model: str, known: dict[int, Artifact], versions: dict[int, Artifact]) -> None:
    """Versions that lie in folders of their own, each of which names the model. Raises InvalidInputError."""
    for number in sorted(known.keys() & versions.keys()):
        raise InvalidInputError(
            f"two folders hold version {number} of {model!r}: {known[number].path} and {versions[number].path}; "
            "say in the parameters of one of them that it is another version"
        )
    known.update(versions)


def _where(versions: dict[int, Artifact]) -> str:
    return str(next(iter(versions.values())).path)


def _under(path: Path) -> Iterator[tuple[str, dict[int, Artifact]]]:
    if path.is_file():
        yield path.stem, {1: _artifact(path)}
        return
    foreign = described_in(path)
    if foreign is not None:
        yield foreign
        return
    own = _versions(path)
    if own:
        yield path.resolve().name, own
        return
    if _is_model_folder(path):
        yield path.resolve().stem, {1: _artifact(path if _detected(path) else path / NAME)}
        return
    yield from _children(path)
    for name in _pipelines_in(path / NAME):
        yield name, {1: Artifact(path / NAME, fingerprint(path / NAME), (path,))}


def _children(path: Path) -> Iterator[tuple[str, dict[int, Artifact]]]:
    """The models in a folder: version trees, folders that are or hold one model, and files."""
    for child in sorted(path.iterdir()):
        if _hidden(child):
            continue
        foreign = described_in(child) if child.is_dir() else None
        if foreign is not None:
            yield foreign
        elif child.is_dir():
            versions, single = _versions(child), _single_model_in(child)
            if versions:
                yield child.name, versions
            elif single is not None:
                yield child.stem if single == child else child.name, {1: _artifact(single, child)}
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
    if (folder / "model.py").is_file() and _detected(folder):
        return folder
    files = [child for child in sorted(folder.iterdir()) if child.is_file() and not _hidden(child) and _is_model(child)]
    named = [file for file in files if file.stem == "model"]
    if files:
        return (named or files)[0]
    return folder if _detected(folder) else _pipeline_file(folder)


def _is_model(path: Path) -> bool:
    """Whether it is a model, or calls itself one: a broken `x.onnx` is shown as failed, not passed over."""
    if path.suffix == ".py":  # a model where it is named, or is its folder's model.py; most files of Python are neither
        return False
    return path.suffix[1:].lower() in catalog.BUILT_IN or _detected(path)


def _detected(path: Path) -> bool:
    try:
        catalog.detect(path)
    except ModelportError as error:
        _log.debug("passed over: %s", error)
        return False
    return True


def _is_model_folder(folder: Path) -> bool:
    """Whether a folder is one model, as a SavedModel is, or a pipeline: not a folder of files that are models each."""
    return (is_one_model(folder) and _detected(folder)) or _pipeline_file(folder) is not None


def _single_model_in(folder: Path) -> Path | None:
    """The one model that a folder without versions holds, or is; None where it holds several."""
    if is_one_model(folder):
        return folder if _detected(folder) else None
    files = [child for child in sorted(folder.iterdir()) if child.is_file() and not _hidden(child) and _is_model(child)]
    if len(files) == 1 or any(file.stem == "model" for file in files):
        return _model_in(folder)
    return _pipeline_file(folder)


def _pipeline_file(folder: Path) -> Path | None:
    """The folder's `modelport.toml` where that declares the folder a pipeline."""
    try:
        return folder / NAME if "pipeline" in read_tables(folder / NAME) else None
    except ModelportError:  # its model tells, when it is loaded
        return None


def _pipelines_in(path: Path) -> list[str]:
    """The pipelines that a `modelport.toml` beside model files declares as `[models.NAME.pipeline]`."""
    try:
        models = read_tables(path).get("models", {})
    except ModelportError:
        return []
    return [name for name, tables in models.items() if isinstance(tables, dict) and "pipeline" in tables]


def pipelines_last(found: Found) -> Found:
    """Pipelines behind what they are made of, and changed where that has changed, so that they are loaded after it."""
    plain = {name: versions for name, versions in found.items() if not _is_pipeline(versions)}
    marks = tuple(mark for versions in plain.values() for item in versions.values() for mark in item.fingerprint)
    rest = {name: versions for name, versions in found.items() if name not in plain}
    for name in sorted(rest, key=lambda name: sum(other != name and _speaks_of(rest[name], other) for other in rest)):
        plain[name] = {
            number: replace(item, fingerprint=item.fingerprint + marks) for number, item in rest[name].items()
        }
    return plain


def _is_pipeline(versions: dict[int, Artifact]) -> bool:
    return bool(versions) and all(
        item.path.name == NAME or (item.described is not None and "pipeline" in item.described.tables)
        for item in versions.values()
    )


def _speaks_of(versions: dict[int, Artifact], model: str) -> bool:
    return any(f'"{model}' in item.path.read_text(encoding="utf-8", errors="replace") for item in versions.values())


def _hidden(path: Path) -> bool:
    """Files that are not there yet, or not for us: `.x`, `x.part`, `x~` …"""
    return path.name.startswith((".", "_")) or path.name.endswith(_UNFINISHED)


def files_beside(path: Path, options: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The files that belong to a model's file: its weights, as exporters of ONNX name them, and the code of a network.

    `options` are those of its runtime, which may name one.
    """
    weights = [path.with_name(path.name + ending) for ending in (".data", "_data")]
    try:
        code = companions(path, options)
    except ModelportError:  # what is named and not there is told when it is loaded
        code = ()
    return (*(file for file in weights if file.is_file()), *code)


def _artifact(path: Path, folder: Path | None = None) -> Artifact:
    """A model of a single file, with its weights beside it as exporters of ONNX name them, and its owner's words."""
    if folder is not None:
        folders = tuple(dict.fromkeys((folder.parent, folder, path if path.is_dir() else path.parent)))
        return Artifact(path, fingerprint(folder) + fingerprint(folder.parent / NAME), folders)
    beside = (*files_beside(path), path.with_name(NAME))
    marks = tuple(mark for file in beside for mark in fingerprint(file))
    return Artifact(path, fingerprint(path) + marks, (path.parent, path) if path.is_dir() else (path.parent,))
