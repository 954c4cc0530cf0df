"""Methods with one message each way that are no inference: a function from the one to the other."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from modelport.core.errors import ModelportError
from modelport.server.http2 import StatusCode, Unary, UnaryCall
from modelport.wire.grpc import STATUS, kind_trailer
from modelport.wire.open_inference_grpc_messages import message, parsed
from modelport.wire.quoting import error_text

_log = logging.getLogger("modelport.server")
#: From the request to the response, at once or after waiting. Raises ModelportError.
Answer = Callable[[Any], Any | Awaitable[Any]]
#: Calls that wait; asyncio itself keeps no strong reference to a task.
_waiting: set[asyncio.Task[None]] = set()


def unary(name: str, answer: Answer) -> Unary:
    """The method of that name: its request is a `<name>Request`."""
    request_class = message(f"{name}Request")

    def handle(call: UnaryCall, data: bytes) -> None:
        try:
            response = answer(parsed(request_class, data))
        except ModelportError as error:
            call.fail(STATUS[error.kind], error_text(error), trailing=kind_trailer(error))
            return
        if inspect.isawaitable(response):
            task = asyncio.ensure_future(_later(call, response))
            _waiting.add(task)
            task.add_done_callback(_waiting.discard)
        else:
            call.reply(response.SerializeToString())

    return Unary(handle)


async def _later(call: UnaryCall, response: Awaitable[Any]) -> None:
    try:
        call.reply((await response).SerializeToString())
    except ModelportError as error:
        call.fail(STATUS[error.kind], error_text(error), trailing=kind_trailer(error))
    except Exception:
        _log.exception("a call was answered with an internal error")
        call.fail(StatusCode.INTERNAL, "internal error")
