"""Opening a model file for a command: with what `modelport.toml` beside it says, and with what its owner trusts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import ModelFile, model_file
from modelport.core.runtime import LoadedModel
from modelport.engine.lifecycle.loader import load_spec
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.opening import open_model
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


def open_file(path: Path, trust: Trust = NO_TRUST) -> LoadedModel:
    """Load the model at `path`, as the server would. Raises ModelportError."""
    settings = _settings(path)
    process = settings.section("process", ProcessOptions)
    return open_model(path.stem, digest(path), path, load_spec(settings), trust, process)


def _settings(path: Path) -> ModelFile:
    whole = path.absolute()
    return model_file(whole.stem, whole.parent, whole) if whole.is_dir() else model_file(whole.stem, whole.parent)
