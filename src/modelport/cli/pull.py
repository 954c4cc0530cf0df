"""`modelport pull fraud@production FOLDER`: a version's files."""

from __future__ import annotations

from pathlib import Path

import click

from modelport.cli.inspect_text import size_text
from modelport.cli.registry_options import Where, registry_options
from modelport.registry.references import parse_reference
from modelport.registry.transfers import pull as pull_version


@click.command("pull")
@click.argument("reference")
@click.argument("folder", type=click.Path(path_type=Path))
@registry_options
def pull(*, reference: str, folder: Path, where: Where) -> None:
    """Fetch the files of a version into a new FOLDER.

    REFERENCE is fraud@3, fraud@production, or fraud for the newest version. Each file is verified by its sha256; the
    folder appears when all of them are there.
    """
    name, selector = parse_reference(reference)
    with where.opened() as registry:
        version, path = pull_version(registry, name, selector, folder)
    click.echo(f"{version.model}@{version.number}  {size_text(version.size)}  {path}")
