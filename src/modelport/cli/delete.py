"""`modelport delete fraud@3`: delete a version, or a model."""

from __future__ import annotations

import click

from modelport.cli.registry_options import Where, change_options, registry_options
from modelport.registry.records import By
from modelport.registry.references import parse_reference


@click.command("delete")
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Do not ask.")
@change_options
@registry_options
def delete(*, reference: str, yes: bool, by: By, where: Where) -> None:
    """Delete a version (fraud@3), or a model with all its versions (fraud).

    Refused while an alias or a rollout names it. Numbers are not used again, the history stays, and the files go with
    the next `modelport gc`.
    """
    name, selector = parse_reference(reference)
    with where.opened() as registry:
        if "@" in reference:
            number = registry.version(name, selector).number
            _ask(f"Delete {name}@{number}?", yes=yes)
            registry.delete_version(name, number, by)
            click.echo(f"{name}@{number} is deleted")
        else:
            count = registry.model(name).versions
            _ask(f"Delete {name} with its {count} version{'s' * (count != 1)}?", yes=yes)
            registry.delete_model(name, by)
            click.echo(f"{name} is deleted")


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)
