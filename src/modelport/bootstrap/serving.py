"""Runs a server: one process, or a supervisor with several workers."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from modelport.bootstrap.banner import banner, nothing_works
from modelport.bootstrap.crashes import Crashes
from modelport.bootstrap.following import registry_place
from modelport.bootstrap.registry import check_registry
from modelport.bootstrap.settings import Settings
from modelport.bootstrap.wiring import Worker, build_process
from modelport.core.host import cpu_quota
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.policy import parse_policy, parse_replace
from modelport.engine.lifecycle.source import scan
from modelport.engine.metrics.metrics import Metrics
from modelport.server.allocator import keep_buffers
from modelport.server.settings import ServerSettings
from modelport.server.sockets import admit_no_more, is_local, listen
from modelport.server.supervisor import Events, Supervisor
from modelport.server.workers import Place, Report
from modelport.server.workers import Worker as WorkerProcess

_log = logging.getLogger("modelport")


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Gives the exit code.

    Raises ModelportError for settings that can't work.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    parse_policy(settings.source.versions)
    parse_replace(settings.source.replace)
    scan(settings.source.paths, settings.source.name or None)
    check_registry(settings.registry)
    workers = settings.server.workers or cpu_quota()
    ports = (settings.server.port, *settings.server.also_listen)
    by_port = [listen(settings.server.host, port, workers) for port in ports]
    server = replace(settings.server, port=by_port[0][0].getsockname()[1], workers=workers)
    settings = replace(settings, server=server)
    if not is_local(server.host):
        _log.warning("listening on %s: anyone who reaches this address can use the models and this API", server.host)
    if workers == 1:
        signal.signal(signal.SIGHUP, _not_renewed)
        return _run(settings, [sockets[0] for sockets in by_port], _print, Worker())
    with tempfile.TemporaryDirectory(prefix="modelport-") as folder:
        return _supervise(settings, by_port, Path(folder))


def _supervise(settings: Settings, by_port: list[list[socket.socket]], folder: Path) -> int:
    by_slot = list(zip(*by_port, strict=True))

    def work(place: Place, say: Callable[[Report], None]) -> int:
        for slot, sockets in enumerate(by_slot):
            if slot != place.slot:
                _close(sockets)
        worker = Worker(folder, place.number, place.again, place.lacks)
        return _run(settings, list(by_slot[place.slot]), say, worker)

    def stopping() -> None:
        """Nothing new may wait at a socket that nobody accepts from any more."""
        for sockets in by_slot:
            admit_no_more(sockets)
            _close(sockets)

    crashes = Crashes(folder)

    def ended(worker: WorkerProcess, code: int) -> None:
        Metrics(folder, worker.place.number)  # opened anew, it forgets what the worker held
        crashes.ended(worker.place.number, code)

    events = Events(_print, stopping, ended)
    return Supervisor(work, settings.server.workers, events).run()


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _run(settings: Settings, sockets: list[socket.socket], say: Callable[[Report], None], worker: Worker) -> int:
    def on_loaded(engine: Engine) -> bool:
        problem = nothing_works(engine)
        if problem and not settings.follows:  # the registry may name another version at any time
            print(problem, file=sys.stderr, flush=True)  # noqa: T201
            return False
        failed = tuple(model.name for model in engine.models() if model.state == "failed")
        follows = registry_place(settings.registry) if settings.follows else ""
        say(Report(banner(engine, _url(settings.server), follows), failed))
        return True

    keep_buffers()
    process = build_process(settings, on_loaded, worker)
    process.run(sockets=sockets)
    return process.exit_code


def _url(server: ServerSettings) -> str:
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::", "") else server.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def _print(report: Report) -> None:
    print(report.text, flush=True)  # noqa: T201


def _not_renewed(*_: object) -> None:
    _log.warning("SIGHUP renews workers one after the other, but this server is a single process: use --workers 2")
