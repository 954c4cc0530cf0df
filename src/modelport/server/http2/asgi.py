"""Runs an ASGI 3 application over plain HTTP/2 streams."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from modelport.server.http2.header_blocks import Field
from modelport.server.http2.plain import PlainStream

logger = logging.getLogger(__name__)

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Address = tuple[str, int]


class AsgiHandler:
    """A PlainHandler that gives every request to `app`, each in a task of its own.

    `state` is copied (shallowly) into each request's scope, as the lifespan protocol demands. Running the lifespan
    is the owner's work.
    """

    def __init__(self, app: App, *, root_path: str = "", state: dict[str, Any] | None = None) -> None:
        self._app = app
        self._root_path = root_path
        self._state = state

    def on_request(self, stream: PlainStream, headers: Sequence[Field]) -> None:
        stream.state = cycle = RequestCycle(stream)
        scope = make_scope(stream, self._root_path)
        if self._state is not None:
            scope["state"] = self._state.copy()
        cycle.task = asyncio.get_running_loop().create_task(cycle.run(self._app, scope))

    def on_data(self, stream: PlainStream, data: bytes) -> None:
        stream.state.body += data
        stream.state.changed()

    def on_end(self, stream: PlainStream) -> None:
        stream.state.complete = True
        stream.state.changed()

    def on_cancel(self, stream: PlainStream) -> None:
        stream.state.disconnected = True
        stream.state.changed()

    def on_writable(self, stream: PlainStream) -> None:
        stream.state.changed()


class RequestCycle:
    """One request's `receive` and `send`."""

    def __init__(self, stream: PlainStream) -> None:
        self.stream = stream
        self.body = bytearray()
        self.complete = False
        self.disconnected = False
        self.task: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._body_given = False
        self._start: Event | None = None
        self._response_complete = False

    def changed(self) -> None:
        """Wake whatever waits for the stream."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _change(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    async def run(self, app: App, scope: MutableMapping[str, Any]) -> None:
        """Run the application; what it leaves undone becomes an error response, or a reset stream."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            logger.exception("error in the ASGI application")
        if self._response_complete or self.disconnected:
            return
        if self.stream.responded:
            self.stream.abort()
        else:
            self.stream.respond(500, [(b"content-type", b"text/plain; charset=utf-8")], [b"Internal Server Error"])

    async def receive(self) -> Event:
        """The next part of the body, then (once the response is complete or the client is gone) a disconnect."""
        while not (self.body or self.disconnected or self._response_complete):
            if self.complete and not self._body_given:
                break
            await self._change()
        if self.disconnected or self._response_complete:
            return {"type": "http.disconnect"}
        data = bytes(self.body)
        self.body.clear()
        self.stream.consume(len(data))
        self._body_given = self.complete
        return {"type": "http.request", "body": data, "more_body": not self.complete}

    async def send(self, event: Event) -> None:
        """Part of the response; waits while more is queued than the client takes."""
        if self.disconnected:
            return
        kind = event["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = event
        elif kind == "http.response.body" and self._start is not None and not self._response_complete:
            await self._send_body(bytes(event.get("body", b"")), event.get("more_body", False))
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    async def _send_body(self, body: bytes, more: bool) -> None:
        stream = self.stream
        assert self._start is not None
        if stream.responded:
            stream.write(body)
            if not more:
                stream.end()
        elif more:
            stream.respond(self._start["status"], self._start.get("headers", ()), None)
            stream.write(body)
        else:
            stream.respond(self._start["status"], self._start.get("headers", ()), [body])
        if not more:
            self._response_complete = True
            self.changed()
        while more and stream.queued > stream.connection.limits.max_send_queue and not self.disconnected:
            await self._change()


def make_scope(stream: PlainStream, root_path: str) -> MutableMapping[str, Any]:
    """The ASGI scope of a request."""
    request = stream.request
    path, _, query = request.path.partition(b"?")
    transport = stream.connection.transport
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": request.method.decode("ascii", "replace").upper(),
        "scheme": request.scheme.decode("ascii", "replace"),
        "path": root_path + unquote(path.decode("ascii", "replace")),
        "raw_path": root_path.encode() + path,
        "query_string": query,
        "root_path": root_path,
        "headers": scope_headers(request.authority, request.headers),
        "client": address(transport.get_extra_info("peername")) if transport is not None else None,
        "server": address(transport.get_extra_info("sockname")) if transport is not None else None,
    }


def scope_headers(authority: bytes, headers: Sequence[Field]) -> list[Field]:
    """The header list as ASGI wants it: `host` from :authority, the crumbs of `cookie` joined."""
    fields: list[Field] = []
    if authority and all(name != b"host" for name, _ in headers):
        fields.append((b"host", authority))
    cookies = [value for name, value in headers if name == b"cookie"]
    fields.extend(field for field in headers if field[0] != b"cookie")
    if cookies:
        fields.append((b"cookie", b"; ".join(cookies)))
    return fields


def address(name: Any) -> Address | None:
    """Host and port of a socket name; None for sockets that have none."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else None
