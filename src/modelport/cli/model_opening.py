"""Opening a model file for a command: with what `modelport.toml` beside it says, and with what its owner trusts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelport.artifacts.digest import digest
from modelport.core.runtime import LoadedModel
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.loader import load_spec
from modelport.engine.lifecycle.source import files_beside
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.opening import open_model
from modelport.runtimes.tokenized import own_spec, wrap
from modelport.runtimes.trust import NO_TRUST, Trust, parse_trust


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--trust` and `--trust-global`, each of which may be repeated."""
    command = click.option(
        "--trust-global",
        "trust_globals",
        multiple=True,
        metavar="PACKAGE.NAME",
        help="An import that a trusted pickle may ask for beyond the known ones; may be repeated.",
    )(command)
    return click.option(
        "--trust",
        "trusted",
        multiple=True,
        metavar="NAME|all|sha256:DIGEST",
        help="A model whose file may run code when it is loaded; may be repeated.",
    )(command)


def trust_of(trusted: tuple[str, ...], trust_globals: tuple[str, ...]) -> Trust:
    """What the two options say. Raises InvalidInputError."""
    return parse_trust(trusted, trust_globals)


def artifact_at(path: Path) -> Artifact:
    """The file, or the folder that is one model, with the folders whose `modelport.toml` speaks of it."""
    whole = path.absolute() if path.name.strip(".") else path.resolve()  # "." has no name
    folders = (whole.parent, whole) if whole.is_dir() else (whole.parent,)
    return Artifact(path if path.name == whole.name else whole, (), folders)


def open_file(path: Path, trust: Trust = NO_TRUST) -> LoadedModel:
    """Load the model at `path`, as the server would. Raises ModelportError."""
    artifact = artifact_at(path)
    return open_artifact(artifact.path.stem, artifact, trust)


def open_artifact(name: str, artifact: Artifact, trust: Trust) -> LoadedModel:
    """Load a version under its model's name, as the server would. Raises ModelportError."""
    settings = artifact.model_file(name)
    process, spec, path = settings.section("process", ProcessOptions), load_spec(settings), artifact.path
    named = digest(path, files_beside(path, spec.options))
    return wrap(open_model(name, named, path, own_spec(spec), trust, process), settings.folder, spec.inputs)
