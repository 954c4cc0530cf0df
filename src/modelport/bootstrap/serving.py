"""Runs a server: one process, or a supervisor with several workers."""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modelport.bootstrap.banner import banner, nothing_works
from modelport.bootstrap.settings import Settings
from modelport.bootstrap.wiring import Worker, build_process
from modelport.core.host import cpu_quota
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.policy import parse_policy
from modelport.engine.lifecycle.source import scan
from modelport.server.allocator import keep_buffers
from modelport.server.settings import ServerSettings
from modelport.server.sockets import is_local, listen
from modelport.server.supervisor import Supervisor

_log = logging.getLogger("modelport")


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Gives the exit code.

    Raises ModelportError for settings that can't work.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    parse_policy(settings.source.versions)
    scan(settings.source.paths, settings.source.name or None)
    workers = settings.server.workers or cpu_quota()
    ports = (settings.server.port, *settings.server.also_listen)
    by_port = [listen(settings.server.host, port, workers) for port in ports]
    server = replace(settings.server, port=by_port[0][0].getsockname()[1], workers=workers)
    settings = replace(settings, server=server)
    if not is_local(server.host):
        _log.warning("listening on %s: anyone who reaches this address can use the models and this API", server.host)
    if workers == 1:
        return _run(settings, [sockets[0] for sockets in by_port], _print)
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
        return _supervise(settings, by_port, Path(folder))


def _supervise(settings: Settings, by_port: list[list[socket.socket]], folder: Path) -> int:
    def work(number: int, ready: Callable[[str], None], again: bool) -> int:
        return _run(settings, [sockets[number] for sockets in by_port], ready, Worker(folder, number, again))

    return Supervisor(work, settings.server.workers, _print).run()


def _run(
    settings: Settings, sockets: list[socket.socket], ready: Callable[[str], None], worker: Worker | None = None
) -> int:
    def on_loaded(engine: Engine) -> bool:
        problem = nothing_works(engine)
        if problem:
            print(problem, file=sys.stderr, flush=True)  # noqa: T201
            return False
        ready(banner(engine, _url(settings.server)))
        return True

    keep_buffers()
    process = build_process(settings, on_loaded, worker or Worker())
    process.run(sockets=sockets)
    return process.exit_code


def _url(server: ServerSettings) -> str:
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::", "") else server.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201
