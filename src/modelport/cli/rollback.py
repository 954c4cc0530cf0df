"""`modelport rollback fraud`: back to what was in production before."""

from __future__ import annotations

import click

from modelport.cli.registry_options import Where, change_options, registry_options
from modelport.registry.records import By
from modelport.registry.releases import PRODUCTION


@click.command("rollback")
@click.argument("model")
@click.option("--alias", default=PRODUCTION, show_default=True, help="The alias that is to go back.")
@change_options
@registry_options
def rollback(*, model: str, alias: str, by: By, where: Where) -> None:
    """Let production name what it named before, at once and without gates.

    Where a rollout is under way it is aborted, and production goes on to name what it names. Said again, it goes one
    promotion further back.
    """
    with where.opened() as registry:
        before = registry.model(model).aliases.get(alias)
        number = registry.rollback(model, by, alias)
    if number == before:
        click.echo(f"{alias}  {model}@{number}; the rollout is aborted")
    else:
        click.echo(f"{alias}  {model}@{number}{f' (was {before})' if before else ''}")
