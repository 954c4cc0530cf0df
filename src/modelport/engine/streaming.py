"""A model that answers one request with several responses: from its thread to whoever reads them, at their pace."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from time import perf_counter_ns

from modelport.core.datatypes import Array
from modelport.core.errors import CancelledError, ModelFailedError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.runtime import InterruptibleStream, LoadedModel, StreamingModel
from modelport.engine.served import ServedVersion

_log = logging.getLogger("modelport.engine")
#: Responses that may wait for their reader before the model pauses.
_AHEAD = 16
#: How often a paused model looks whether anybody still reads, in seconds.
_LOOK = 0.1


class Channel:
    """Responses on their way: `emit` on the model's thread, everything else on the event loop's."""

    def __init__(self, request: InferenceRequest) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(_AHEAD)
        self._arrived: asyncio.Queue[InferenceResponse | ModelportError | None] = asyncio.Queue()

    def emit(self, response: InferenceResponse) -> None:
        """Pass a response on; waits while too many are unread. Raises CancelledError once nobody reads any more."""
        while not self._room.acquire(timeout=_LOOK):
            self._check()
        self._check()
        with suppress(RuntimeError):  # the loop is closed: the server ends
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, response)

    def end(self, outcome: InferenceResponse | ModelportError) -> None:
        """No response follows: the stream is complete, or it ended with an error."""
        self._arrived.put_nowait(outcome if isinstance(outcome, ModelportError) else None)

    async def read(self) -> AsyncGenerator[InferenceResponse, None]:
        """The responses, as they come. Raises the error that ended them."""
        try:
            while (item := await self._arrived.get()) is not None:
                if isinstance(item, ModelportError):
                    raise item
                self._room.release()
                yield item
        finally:
            self._request.cancelled = True

    def _check(self) -> None:
        if self._request.cancelled:
            raise CancelledError("the caller went away before the stream had ended")
        if self._request.deadline is not None:
            self._request.deadline.check()


def _begun(loaded: LoadedModel, request: InferenceRequest) -> Iterator[dict[str, Array]]:
    if isinstance(loaded, InterruptibleStream):
        return loaded.stream_until(request.inputs, request.outputs, request.deadline)
    assert isinstance(loaded, StreamingModel)
    return loaded.stream(request.inputs, request.outputs)


def run_stream(
    served: ServedVersion, request: InferenceRequest, channel: Channel
) -> InferenceResponse | ModelportError:
    """Give all responses to the channel; the outcome says how that ended. On the model's thread. Raises nothing."""
    request.started = perf_counter_ns()
    try:
        if request.deadline is not None:
            request.deadline.check()
        responses = _begun(served.loaded, request)
        try:
            for outputs in responses:
                channel.emit(InferenceResponse(served.model, served.version, outputs, request.id))
        finally:
            close = getattr(responses, "close", None)
            if close is not None:
                close()
    except ModelportError as error:
        return error
    except Exception as error:
        _log.exception("%s@%d failed in a stream", served.model, served.version)
        return ModelFailedError(f"model {served.model!r} failed: {type(error).__name__}: {error}")
    finally:
        request.finished = perf_counter_ns()
    return InferenceResponse(served.model, served.version, {}, request.id)
