"""`modelport gc`: remove stored content that nothing names."""

from __future__ import annotations

import os

import click

from modelport.cli.inspect_text import size_text
from modelport.registry.opening import open_registry, registry_settings


@click.command("gc")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="Leave what came within so many hours: pushes that are under way.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--home", default="", metavar="FOLDER", help="Folder of the registry.  [default: ~/.modelport]")
@click.option("--registry", default="", metavar="URL", help="The registry's database: postgresql://…, sqlite:///…")
def gc(*, grace: float, dry_run: bool, home: str, registry: str) -> None:
    """Remove files of deleted versions, and what pushes that broke off have left.

    What a version, a model's gates or an open job names is never removed. Safe while others push.
    """
    opened = open_registry(registry_settings(os.environ, home, registry))
    try:
        found = opened.collect(grace * 3600, dry=dry_run)
    finally:
        opened.close()
    said = "would be removed" if dry_run else "removed"
    uploads = "" if dry_run else f", and {found.uploads} uploads that were given up"
    click.echo(f"{found.contents} files ({size_text(found.size)}) {said}{uploads}")
