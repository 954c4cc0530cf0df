"""`modelport history fraud`: who changed what, when and why."""

from __future__ import annotations

import sys

import click

from modelport.cli.history_text import event_text
from modelport.cli.prediction_text import aligned
from modelport.cli.registry_options import Where, json_text, registry_options
from modelport.registry.base import Registry
from modelport.registry.records import EventRecord

WIDTH = 120


@click.command("history")
@click.argument("model", required=False)
@click.option("--at", metavar="TIME", help="Which versions its aliases named then: '2026-11-03 12:00' (local time).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Show so many at most.")
@click.option("--before", type=click.IntRange(1), metavar="EVENT", help="Show what came before this event.")
@click.option("--verify", is_flag=True, help="Look whether any event was changed, removed or put elsewhere.")
@click.option(
    "--expect", default="", metavar="EVENT:HASH", help="With --verify: this event, noted down then, is there."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@registry_options
def history(
    *,
    model: str | None,
    at: str | None,
    limit: int,
    before: int | None,
    verify: bool,
    expect: str,
    as_json: bool,
    where: Where,
) -> None:
    """Show what happened to MODEL, or to all models, newest first.

    --verify exits with 1 where the history, or the registry beside it, is not as it was written. It prints the last
    event's number and hash: kept elsewhere and given to --expect later, they show a history that was written anew.
    """
    if at is not None and model is None:
        raise click.UsageError("--at needs a model: modelport history fraud --at '2026-11-03 12:00'")
    with where.opened() as registry:
        if verify:
            _verify(registry, expect, as_json=as_json)
        elif at is not None and model is not None:
            _at(registry, model, at, as_json=as_json)
        else:
            events = registry.history(model, before, limit)
            click.echo(json_text(events) if as_json else "\n".join(_lines(events)))


def _verify(registry: Registry, expect: str, *, as_json: bool) -> None:
    found = registry.verify(expect)
    if as_json:
        click.echo(json_text(found))
    else:
        for problem in found.problems:
            click.echo(problem)
        said = "not as they were written" if found.problems else "as they were written"
        click.echo(f"{found.events} events, {said}; the last is {found.head}")
    if found.problems:
        sys.exit(1)


def _at(registry: Registry, model: str, at: str, *, as_json: bool) -> None:
    found = registry.aliases_at(model, at)
    if as_json:
        click.echo(json_text(found))
        return
    if not found:
        click.echo(f"no alias of {model} named a version then")
        return
    rows = [["alias", "version", "since (UTC)", "by", "why"]]
    rows += [[item.alias, f"{model}@{item.version}", _moment(item.since), item.who, item.why] for item in found]
    click.echo("\n".join(aligned(rows, WIDTH)))


def _lines(events: list[EventRecord]) -> list[str]:
    if not events:
        return ["nothing has happened yet"]
    rows = [["event", "when (UTC)", "who", "what", "why"]]
    rows += [[str(event.seq), _moment(event.at), event.who, event_text(event), event.why] for event in events]
    return aligned(rows, WIDTH)


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")
