"""A dialect's reply as a response of the ASGI app, and inference for methods that no lane takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from modelport.core.errors import ModelportError, TooLargeError
from modelport.engine.engine import Engine
from modelport.server.http.exchange import Exchange
from modelport.server.http.routes import Route
from modelport.wire.http import HttpDialect, HttpReply


def response_of(reply: HttpReply) -> Response:
    """The reply as Starlette's response."""
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    response = Response(body, reply.status, media_type=reply.content_type.decode("latin-1"))
    for name, value in reply.headers:
        response.headers.append(name.decode("latin-1"), value.decode("latin-1"))
    return response


async def refusing(refuse: Callable[[ModelportError], HttpReply], answer: Awaitable[Response]) -> Response:
    """The answer, or the dialect's form of the error that it raises."""
    try:
        return await answer
    except ModelportError as error:
        return response_of(refuse(error))


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLargeError."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLargeError(f"the body is larger than the limit of {limit} bytes")
    return bytes(body)


async def infer(engine: Engine, route: Route, headers: dict[bytes, bytes], body: bytes, limit: int) -> Response:
    """Run a request through the same exchange as the lanes do."""
    exchange = Exchange(engine, route, headers, True, limit)
    exchange.body = body
    replied = asyncio.Event()
    exchange.begin(replied.set)
    await replied.wait()
    assert exchange.reply is not None
    exchange.reply.headers = exchange.fields
    return response_of(exchange.reply)


def route_to(dialect: HttpDialect, model: str | None, version: int | None = None) -> Route:
    """The route of a request that names a model outright."""
    return Route(dialect, model, version)
