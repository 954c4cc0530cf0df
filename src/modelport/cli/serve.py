"""`modelport serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--name", help="Name of the model, instead of its file's (for a single model).")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("--also-listen", metavar="PORTS", help="Further ports with the same services: 8500,8501.")
@click.option("--workers", type=click.IntRange(0), help="Worker processes; 0: one per CPU.  [default: 1]")
@click.option("--versions", help="Versions of a tree to serve: latest, latest:N, all, or 1,3.  [default: latest]")
@click.option(
    "--poll",
    type=click.FloatRange(0.1),
    help="Look for new and changed models every so many seconds.  [default: never]",
)
@click.option("--home", metavar="FOLDER", help="Folder of the registry: without PATHS, what it says is served.")
@click.option(
    "--registry",
    metavar="URL",
    help="The registry to follow: postgresql://…, sqlite:///…, or a server that has one, http://host:8000.",
)
@click.option(
    "--cache",
    "cache_folder",
    metavar="FOLDER",
    help="Where versions' files are kept for the next start.  [default: cache in the home folder]",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="NAME|DIGEST|all",
    help="Load this model although its file may run code, as pickles do; may be given several times.",
)
@click.option(
    "--trust-global",
    multiple=True,
    metavar="NAME",
    help="Let trusted pickles import this name too: my_package.Cleaner, or my_package.*",
)
def serve(
    paths: tuple[Path, ...],
    name: str | None,
    host: str | None,
    port: int | None,
    also_listen: str | None,
    workers: int | None,
    versions: str | None,
    poll: float | None,
    home: str | None,
    registry: str | None,
    cache_folder: str | None,
    trust: tuple[str, ...],
    trust_global: tuple[str, ...],
) -> None:
    """Serve model files on every protocol, one port.

    PATHS are model files, folders of model files, or version trees (MODEL/NUMBER/…) as Triton and TensorFlow Serving
    lay them out. Without PATHS, what a registry says is served: every model that has an alias, `production` by default.
    Every setting also has an environment variable: see docs/settings.md.
    """
    from modelport.bootstrap.platforms import read_platform  # noqa: PLC0415
    from modelport.bootstrap.serving import serve as run  # noqa: PLC0415
    from modelport.bootstrap.settings import parse_ports, read_settings  # noqa: PLC0415

    settings = read_settings(
        paths=paths or None,
        name=name,
        host=host,
        port=port,
        also_listen=None if also_listen is None else parse_ports(also_listen, "--also-listen"),
        workers=workers,
        versions=versions,
        poll=poll,
        home=home,
        registry=registry,
        cache_folder=cache_folder,
        trust=",".join(trust) or None,
        trust_globals=",".join(trust_global) or None,
    )
    platform = read_platform(os.environ)
    if not settings.source.paths and not settings.follows and not platform.multi_model:
        raise click.UsageError(platform.problem or "Missing argument 'PATHS...': name the models to serve.")
    sys.exit(run(settings))
