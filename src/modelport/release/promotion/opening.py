"""Loading one model outside of a server, as a server would: with what `modelport.toml` and trust say of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import ModelFile
from modelport.core.declared import with_meanings
from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel
from modelport.core.signature import Signature
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.foreign import described_in
from modelport.engine.lifecycle.golden import WarmupOptions, prove
from modelport.engine.lifecycle.loader import load_spec
from modelport.engine.lifecycle.source import files_beside
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.opening import open_model
from modelport.runtimes.tokenized import own_spec, wrap
from modelport.runtimes.trust import Trust


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded model. `signature` has what its owner says of the tensors; `settings` is its `modelport.toml`."""

    loaded: LoadedModel
    signature: Signature
    settings: ModelFile


def artifact_at(path: Path) -> Artifact:
    """The file, or the folder that is one model, with the folders whose `modelport.toml` speaks of it."""
    whole = path.absolute() if path.name.strip(".") else path.resolve()  # "." has no name
    folders = (whole.parent, whole) if whole.is_dir() else (whole.parent,)
    return Artifact(path if path.name == whole.name else whole, (), folders)


def described_at(path: Path) -> tuple[str, Artifact]:
    """The model at `path` and its name: what another server's description in its folder names, or what it is itself.

    Raises InvalidModelError for a description that can't be served.
    """
    described = described_in(path) if path.is_dir() else None
    if described is None:
        return path.absolute().stem, artifact_at(path)
    name, versions = described
    artifact = versions[max(versions)]
    if artifact.described is not None and artifact.described.problem:
        raise InvalidModelError(artifact.described.problem)
    return name, artifact


def open_artifact(name: str, artifact: Artifact, trust: Trust, called: str = "") -> LoadedModel:
    """Load a version under its model's name, as the server would. Raises ModelportError.

    `called` is the name by which it may be trusted, where that is another.
    """
    settings = artifact.model_file(name)
    process, spec, path = settings.section("process", ProcessOptions), load_spec(settings), artifact.path
    named = digest(path, files_beside(path, spec.options))
    model = open_model(called or name, named, path, own_spec(spec), trust, process)
    return wrap(model, settings.folder, spec.inputs)


def open_described(path: Path, called: str, trust: Trust) -> Opened:
    """Load the model of the registry's version that was checked out at `path`. Raises ModelportError."""
    name, artifact = described_at(path)
    settings = artifact.model_file(name)
    loaded = open_artifact(name, artifact, trust, called)
    spec = load_spec(settings)
    return Opened(loaded, with_meanings(loaded.signature, spec.inputs, spec.outputs), settings)


def proved(loaded: LoadedModel, signature: Signature, settings: ModelFile) -> str:
    """What came of the requests that are stored with a model: ok, why not, or nothing where there are none."""
    if not settings.section("warmup", WarmupOptions).requests:
        return ""
    try:
        prove(loaded, signature, settings)
    except InvalidModelError as error:
        return str(error)
    return "ok"
