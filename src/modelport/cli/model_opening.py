"""Opening a model file for a command: with what `modelport.toml` beside it says, and with what its owner trusts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelport.core.runtime import LoadedModel
from modelport.release.promotion.opening import artifact_at, open_artifact
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


def check_trust_is_the_servers(trusted: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """Raise click.UsageError where the caller would say whose code a server runs."""
    if any(trusted):
        raise click.UsageError("whose code a server runs is for its own --trust to say, not for who asks it")


def open_file(path: Path, trust: Trust = NO_TRUST) -> LoadedModel:
    """Load the model at `path`, as the server would. Raises ModelportError."""
    artifact = artifact_at(path)
    return open_artifact(artifact.path.stem, artifact, trust)
