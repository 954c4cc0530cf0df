"""`modelport tag fraud@3 team=risk`: tags and descriptions."""

from __future__ import annotations

import click

from modelport.cli.registry_options import Where, change_options, pairs, registry_options
from modelport.registry.records import By
from modelport.registry.references import parse_reference


@click.command("tag")
@click.argument("reference")
@click.argument("tags", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--remove", multiple=True, metavar="NAME", help="Remove a tag; may be repeated.")
@click.option("--description", help="Say what the model or the version is for.")
@change_options
@registry_options
def tag(
    *, reference: str, tags: tuple[str, ...], remove: tuple[str, ...], description: str | None, by: By, where: Where
) -> None:
    """Set tags and the description of a model (fraud) or a version (fraud@3), or show its tags."""
    name, selector = parse_reference(reference)
    changes: dict[str, str | None] = {**pairs(tags, "NAME=VALUE"), **dict.fromkeys(remove)}
    with where.opened() as registry:
        number = registry.version(name, selector).number if "@" in reference else None
        if changes:
            registry.set_tags(name, number, changes, by)
        if description is not None:
            registry.describe(name, number, description, by)
        found = registry.model(name).tags if number is None else registry.version(name, number).tags
    for key, value in found.items():
        click.echo(f"{key}={value}")
