"""`modelport list`: the models of the registry, or the versions of one."""

from __future__ import annotations

import shutil

import click

from modelport.cli.inspect_text import size_text
from modelport.cli.prediction_text import aligned
from modelport.cli.registry_options import Where, json_text, registry_options
from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.records import ModelRecord, VersionRecord

#: A line of a table. (`list` is the command in this file.)
Row = list[str]
_MODEL_HEAD = ["model", "versions", "latest", "aliases", "description"]
_VERSION_HEAD = ["version", "aliases", "format", "size", "pushed", "by", "metrics"]


@click.command("list")
@click.argument("model", required=False)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@registry_options
def list(*, model: str | None, limit: int, as_json: bool, where: Where) -> None:  # noqa: A001 - the command's name
    """List the models of the registry, or the versions of MODEL, newest first."""
    with where.opened() as registry:
        if model is None:
            found = _models(registry, limit)
            rows = [_MODEL_HEAD, *map(_model_row, found)]
        else:
            versions = _versions(registry, model, limit)
            rows = [_VERSION_HEAD, *map(_version_row, versions)]
    if as_json:
        click.echo(json_text(found if model is None else versions))
        return
    if len(rows) == 1:
        click.echo("no models" if model is None else "no versions")
        return
    for line in aligned(rows, max(shutil.get_terminal_size((100, 24)).columns, 80)):
        click.echo(line)


def _models(registry: Registry, limit: int) -> tuple[ModelRecord, ...]:
    found: tuple[ModelRecord, ...] = ()
    while len(found) < limit:
        page = registry.models(found[-1].name if found else "", min(limit - len(found), LARGEST_PAGE))
        found += tuple(page)
        if not page:
            break
    return found


def _versions(registry: Registry, model: str, limit: int) -> tuple[VersionRecord, ...]:
    found: tuple[VersionRecord, ...] = ()
    while len(found) < limit:
        page = registry.versions(model, found[-1].number if found else None, min(limit - len(found), LARGEST_PAGE))
        found += tuple(page)
        if not page:
            break
    return found


def _model_row(model: ModelRecord) -> Row:
    aliases = ", ".join(f"{alias}={number}" for alias, number in model.aliases.items())
    latest = "" if model.latest is None else str(model.latest)
    return [model.name, str(model.versions), latest, aliases, " ".join(model.description.split())]


def _version_row(version: VersionRecord) -> Row:
    metrics = ", ".join(f"{name}={value:.4g}" for name, value in version.metrics.items())
    return [
        str(version.number),
        ", ".join(version.aliases),
        version.format,
        size_text(version.size),
        version.created_at[:16].replace("T", " "),
        version.created_by,
        metrics,
    ]
