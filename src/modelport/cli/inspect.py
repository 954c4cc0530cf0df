"""`modelport inspect PATH`: what model files are, what they take and give, and what they need to be served."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from modelport.cli.inspect_examination import examine
from modelport.cli.inspect_subject import subjects_at
from modelport.cli.inspect_text import document_text
from modelport.cli.model_opening import trust_of, trust_options
from modelport.cli.prediction_input import UnreadableError
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.runtimes.trust import Trust


@click.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@click.option("--measure", is_flag=True, help="Run it too: its cost, its batches, and how the server would execute it.")
@trust_options
def inspect(path: Path, as_json: bool, measure: bool, trusted: tuple[str, ...], trust_globals: tuple[str, ...]) -> None:
    """Say what a model is: its signature and what that means, and what it needs to be served.

    PATH is a model file, a folder that is one (a SavedModel, say), or a folder of any kind that can be served: several
    models are shown one after the other. Shown are format, framework and the version that wrote it, size, parameters,
    inputs and outputs, the digest, what the file could do to the server, and what is missing.

    A file that can run code when it is loaded is loaded only where it is trusted; what it would import is found
    without running it. Exits with 0 where all could be served as they are, and with 1 where one can't be.
    """
    try:
        trust = trust_of(trusted, trust_globals)
    except InvalidInputError as error:
        raise UnreadableError(str(error)) from None
    try:
        with _quiet():
            found = _examined(path, trust, measure)
    except ModelportError as error:
        raise click.ClickException(_line(str(error))) from None
    if as_json:
        document: Any = found[0] if len(found) == 1 else {"models": found}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        known = [item for item in found if "format" in item]
        click.echo("\n\n\n".join(map(document_text, known)), nl=bool(known))
    wrong = [item for item in found if not item["servable"]]
    for item in wrong:
        click.echo(f"Error: {_why(item, several=len(found) > 1)}", err=True)
    if wrong:
        raise SystemExit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings in the log, while the block runs: they are in what is shown."""
    log = logging.getLogger("modelport")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _examined(path: Path, trust: Trust, measure: bool) -> list[dict[str, Any]]:
    subjects = subjects_at(path)
    names = {subject.name for subject in subjects}
    return [examine(subject, trust, measure, names - {subject.name}) for subject in subjects]


def _why(item: dict[str, Any], *, several: bool) -> str:
    """Why a model can't be served, in one line."""
    if "problem" in item:
        text = _line(item["problem"])
        return f"{item['model']}: {text}" if several else text
    kinds = ", ".join(dict.fromkeys(need["kind"] for need in item["needs"]))
    return f"{item['model']} can't be served as it is; it needs: {kinds} (see 'To serve it')"


def _line(text: str) -> str:
    return " ".join(text.split())
