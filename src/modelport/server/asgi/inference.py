"""Inference for requests that come another way than a lane (in-process clients, say), and its documentation."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from modelport.core.errors import TooLargeError
from modelport.engine.engine import Engine
from modelport.server.http.exchange import Exchange
from modelport.server.http.routes import Route, Routes
from modelport.server.settings import LimitSettings


class InferenceFirst:
    """An ASGI app that answers inference as the lanes do, through the same exchange, and hands the rest on."""

    def __init__(self, app: ASGIApp, engine: Engine, routes: Routes, limits: LimitSettings) -> None:
        self._app, self._engine, self._routes, self._limits = app, engine, routes, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http" and scope["method"] == "POST":
            route = self._routes.match(scope.get("raw_path") or scope["path"].encode())
        if route is None:
            await self._app(scope, receive, send)
        else:
            await self._answer(route, scope, receive, send)

    async def _answer(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self._engine, route, dict(scope["headers"]), True, self._limits.body_bytes)
        replied = asyncio.Event()
        body = await _body(receive, self._limits.body_bytes)
        if body is None:
            limit = self._limits.body_bytes
            exchange.refuse_unbegun(TooLargeError(f"the body is larger than the limit of {limit} bytes"))
        else:
            exchange.body = body
            exchange.begin(replied.set)
            await replied.wait()
        reply = exchange.reply
        assert reply is not None
        content = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(content)),
            *exchange.fields,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None where it is over the limit."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            return None
    return bytes(body)


def document_inference(app: FastAPI, operations: dict[str, dict[str, Any]]) -> None:
    """Add operations that the lanes answer to the API's documentation: path → OpenAPI operation object of its POST."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        for path, operation in operations.items():
            names = re.findall(r"{(\w+)}", path)
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
            answers = {"200": {"description": "The prediction"}}
            document["paths"].setdefault(path, {})["post"] = {
                "tags": ["inference"],
                "responses": answers,
                "parameters": parameters,
                **operation,
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]
