"""Fixtures of the HTTP/2 tests: factories of connections without sockets, and of real servers."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from http2_rig import Rig, application

from modelport.server.http2 import Http2Protocol, Limits


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    """make_rig(methods, handler, greet=True, **limits): a Rig."""

    def make(methods: Any = None, handler: Any = None, greet: bool = True, **limits: Any) -> Rig:
        return Rig(application(methods, handler), Limits(**limits), greet)

    return make


class RunningServer:
    """A server in a thread of its own, so that blocking clients can be used."""

    def __init__(self, app: Any, limits: Limits, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.protocols: list[Http2Protocol] = []
        self.closed = 0
        self.port = 0
        self._app = app
        self._limits = limits
        self._new_loop = new_loop
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function on the server's thread."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self.loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for protocol in self.protocols:
            protocol.transport.abort()
        await asyncio.sleep(0.01)

    def _protocol(self) -> Http2Protocol:
        return Http2Protocol(self._app, self._limits, on_open=self.protocols.append, on_close=self._count_closed)

    def _count_closed(self, protocol: Http2Protocol) -> None:
        self.closed += 1
        self.protocols.remove(protocol)


def loop_factories() -> list[Any]:
    """The event loops to test on."""
    factories = [pytest.param(asyncio.new_event_loop, id="asyncio")]
    try:
        import uvloop
    except ImportError:
        return factories
    return [*factories, pytest.param(uvloop.new_event_loop, id="uvloop")]


@pytest.fixture(params=loop_factories())
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., RunningServer]]:
    """serve(methods, handler, **limits): a RunningServer, on each kind of event loop."""
    servers: list[RunningServer] = []

    def start(methods: Any = None, handler: Any = None, **limits: Any) -> RunningServer:
        servers.append(RunningServer(application(methods, handler), Limits(**limits), request.param))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
