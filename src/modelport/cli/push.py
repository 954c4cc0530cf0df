"""`modelport push FILE --name fraud`: register a model file as the next version."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from modelport.artifacts.uploads import Progress
from modelport.cli.model_opening import trust_of, trust_options
from modelport.cli.push_inspection import beside, golden_beside, inspect_model, training_digest
from modelport.cli.push_mlflow import SCHEMES, imported
from modelport.cli.registry_options import Where, change_options, json_text, pairs, registry_options
from modelport.core.references import check_model_name
from modelport.registry.packing import Packed, Said, pack
from modelport.registry.records import By, VersionRecord
from modelport.registry.transfers import push_packed
from modelport.runtimes.trust import Trust


@dataclass(frozen=True, slots=True)
class Given:
    """What is said of the version beside its manifest."""

    description: str
    tags: dict[str, str]
    alias: str

    def words(self) -> dict[str, Any]:
        """As arguments of a push."""
        return {"description": self.description, "tags": self.tags, "alias": self.alias}


@click.command("push")
@click.argument("file")
@click.option("--name", help="The model's name.  [default: the file's]")
@click.option("--description", default="", help="What this version is.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag of this version; may be repeated.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", help="A measured figure; may be repeated.")
@click.option("--alias", default="", help="Let this alias name the new version.")
@click.option("--training-data", default="", metavar="PATH|SHA256", help="What it was trained on; kept is its digest.")
@click.option("--json", "as_json", is_flag=True, help="Write the version as JSON.")
@change_options
@registry_options
@trust_options
def push(
    *,
    file: str,
    name: str | None,
    description: str,
    tags: tuple[str, ...],
    metrics: tuple[str, ...],
    alias: str,
    training_data: str,
    as_json: bool,
    by: By,
    where: Where,
    trusted: tuple[str, ...],
    trust_globals: tuple[str, ...],
) -> None:
    """Register a model file, or a model's folder, as the next version of a model.

    Kept are its files and, in a manifest, their sha256, format, signature, metrics, the environment, the git commit and
    who pushed it. A file that can run code when it is loaded is not loaded for that, unless it is trusted.

    FILE may be a model of MLflow, too: runs:/ID/model, models:/fraud/3 or models:/fraud@champion. Its metrics, and a
    registered one's name, description, tags and aliases, come with it.
    """
    said = Said(by.who, _numbers(pairs(metrics, "--metric")), training_digest(training_data))
    given = Given(description, pairs(tags, "--tag"), alias)
    trust = trust_of(trusted, trust_globals)
    if file.startswith(SCHEMES):
        with imported(file) as found:
            said = replace(said, metrics={**found.metrics, **said.metrics}, source=file)
            given = replace(given, description=description or found.description, tags={**found.tags, **given.tags})
            made, note = _push(where, found.path, name or found.name, said, given, by, trust, found.aliases)
    else:
        if not Path(file).exists():
            raise click.BadParameter(f"there is no file {file!r}", param_hint="FILE")
        made, note = _push(where, Path(file), name or "", said, given, by, trust)
    if as_json:
        click.echo(json_text(made))
        return
    named = f", {', '.join(made.aliases)}" if made.aliases else ""
    click.echo(f"{made.model}@{made.number}{named}  sha256:{made.digest}")
    if note:
        click.echo(note, err=True)


def _push(
    where: Where, path: Path, name: str, said: Said, given: Given, by: By, trust: Trust, aliases: tuple[str, ...] = ()
) -> tuple[VersionRecord, str]:
    model = check_model_name(name or path.absolute().stem)
    inspected, note = inspect_model(path, trust)
    packed = pack(path, beside(path), inspected, said, golden_beside(path))
    with where.opened() as registry:
        with _bar(packed) as progress:
            made = push_packed(registry, model, packed, by, **given.words(), progress=progress)
        for further in aliases:
            registry.set_alias(model, further, made.number, by)
        return (registry.version(model, made.number) if aliases else made), note


@contextmanager
def _bar(packed: Packed) -> Iterator[Progress | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=max(packed.manifest.size, 1), label="sending", file=sys.stderr) as bar:
        yield bar.update


def _numbers(texts: dict[str, str]) -> dict[str, float]:
    found = {}
    for name, text in texts.items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise click.BadParameter(f"{name}={text}: {text!r} is not a number", param_hint="--metric")
    return found
