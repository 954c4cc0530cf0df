"""`modelport alias fraud@3 production`: movable names of versions."""

from __future__ import annotations

import click

from modelport.cli.registry_options import Where, change_options, registry_options
from modelport.core.references import parse_version
from modelport.registry.records import By
from modelport.registry.references import parse_reference


@click.command("alias")
@click.argument("reference")
@click.argument("alias", metavar="[ALIAS]", required=False)
@click.option("--remove", is_flag=True, help="Let the alias name nothing.")
@click.option(
    "--expect", metavar="VERSION|none", help="Change nothing unless the alias names this version (or none) now."
)
@change_options
@registry_options
def alias(*, reference: str, alias: str | None, remove: bool, expect: str | None, by: By, where: Where) -> None:
    """Let ALIAS name a version: fraud@3 production. Without ALIAS, list those of a model.

    Of several changes at once that expect the same version, one is made, and the others are refused.
    """
    name, selector = parse_reference(reference)
    expected = None if expect is None else 0 if expect == "none" else parse_version(expect)
    if alias is not None and not remove and "@" not in reference:
        raise click.UsageError(f"say which version {alias} is to name: {name}@3 {alias}")
    if remove and alias is None:
        raise click.UsageError("--remove needs the alias")
    with where.opened() as registry:
        if alias is None:
            for known, number in registry.model(name).aliases.items():
                click.echo(f"{known}  {name}@{number}")
        elif remove:
            registry.remove_alias(name, alias, by, expected)
            click.echo(f"{alias} names no version of {name}")
        else:
            number = registry.version(name, selector).number
            registry.set_alias(name, alias, number, by, expected)
            click.echo(f"{alias}  {name}@{number}")
