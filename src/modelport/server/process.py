"""One serving process: uvicorn with the lane, the lifecycle beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from modelport.engine.engine import Engine
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.server.draining import let_go
from modelport.server.http.lane import Lane
from modelport.server.http.sweep import sweep
from modelport.server.priority import share_interpreter, wake_soon
from modelport.server.settings import LimitSettings, ServerSettings
from modelport.server.sockets import admit_no_more
from modelport.server.vitals import record_vitals

_log = logging.getLogger("modelport.server")
#: How long a server that stops still accepts: so that connections which wait already are not reset.
_LAST_CONNECTIONS = 0.02
_TERMINATING = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Background:
    """What a process does beside answering.

    `on_loaded` is called when every model was tried; what it returns says whether to go on. With `load_first` nothing
    is accepted before: for a worker that replaces another, whose connections rather wait than be told to come back. One
    that is to take over from a worker which still serves gives up, without a word to any client, where it could load
    fewer models: `lacks` are those that the other does not have either. `before` ends when it is known what is to be
    loaded; `beside` are run from the first load to the end.
    """

    lifecycle: Lifecycle
    poll: float
    on_loaded: Callable[[Engine], bool]
    load_first: bool = False
    lacks: tuple[str, ...] | None = None
    before: Callable[[], Coroutine[Any, Any, None]] | None = None
    beside: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()

    async def load(self) -> None:
        """Load everything that there is now."""
        if self.before is not None:
            await self.before()
        await self.lifecycle.start()


class Process(uvicorn.Server):
    """A uvicorn server that loads its models once it listens. `exit_code` says how it ended."""

    def __init__(
        self,
        app: ASGIApp,
        engine: Engine,
        background: Background,
        settings: ServerSettings,
        limits: LimitSettings,
        lane: type[Lane],
    ) -> None:
        super().__init__(_config(app, lane, settings, limits))
        self._engine, self._background, self._limits = engine, background, limits
        self._alone = settings.workers == 1
        self._drain_seconds = settings.drain_seconds or math.inf
        engine.starting = True
        self._tasks: list[asyncio.Task[None]] = []
        self.exit_code = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then load: a probe is answered from the beginning, and says `not ready` until everything is."""
        wake_soon()
        share_interpreter()
        if self._background.load_first:
            await self._background.load()
            if self._lost():
                self._fail()
                return
        await super().startup(sockets)
        connections = self.server_state.connections
        for work in (self._load(), sweep(connections, self._limits), self._vitals()):
            self._tasks.append(asyncio.create_task(self._guarded(work)))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain: stop listening, answer what has come, then close the models."""
        self._engine.draining = True
        for task in self._tasks[:1]:
            task.cancel()  # nothing new is loaded; the sweep goes on
        if self._alone:  # the sockets of several workers are their supervisor's: another may go on with them
            admit_no_more(sockets or ())
        await asyncio.sleep(_LAST_CONNECTIONS)
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        begun = time.monotonic()
        await let_go(self.server_state.connections, self._drain_seconds, lambda: self.force_exit)
        left = self._drain_seconds - (time.monotonic() - begun)
        self.config.timeout_graceful_shutdown = None if left == math.inf else max(int(left), 1)
        await super().shutdown()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._engine.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a server that was asked to stop and did has succeeded: the signal is not raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in _TERMINATING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _load(self) -> None:
        background = self._background
        if not background.load_first:
            await background.load()
        if not background.on_loaded(self._engine):
            self._fail()
            return
        beside = [work() for work in background.beside]
        if background.poll:
            beside.append(background.lifecycle.watch(background.poll))
        await asyncio.gather(*beside)

    def _lost(self) -> bool:
        """Whether a model failed here that the worker before has."""
        lacks = self._background.lacks
        failed = {model.name: model.error for model in self._engine.models() if model.state == "failed"}
        lost = {} if lacks is None else {name: error for name, error in failed.items() if name not in lacks}
        for name, error in lost.items():
            _log.error("%s was not loaded: %s", name, error)
        return bool(lost)

    async def _vitals(self) -> None:
        while True:
            record_vitals(self._engine.metrics, self.server_state.connections)
            await asyncio.sleep(1.0)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A defect in the background ends the process with its traceback, rather than going unseen."""
        try:
            await work
        except Exception:
            _log.exception("the server stops because of a defect")
            self._fail()

    def _fail(self) -> None:
        self.exit_code = 1
        self.should_exit = True


def _config(app: ASGIApp, lane: type[Lane], settings: ServerSettings, limits: LimitSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=lane,
        ws="none",
        loop="auto",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(limits.keep_alive_seconds),
        backlog=2048,
    )
