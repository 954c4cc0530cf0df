"""The two ways a model runs: on the event loop's own thread where it is cheap, in a pool of threads where it is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter_ns

from modelport.core.errors import ModelFailedError, ModelportError, OverloadedError, UnavailableError
from modelport.core.host import cpu_quota
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.served import ServedVersion
from modelport.engine.settings import EngineSettings

_log = logging.getLogger("modelport.engine")
Done = Callable[[InferenceResponse | ModelportError], None]
#: A prediction this many times over the limit for the event loop is a strike against its model, as many points as said.
_TOO_LONG, _STRIKE = 5, 10
#: A large request that takes less than this part of the limit is quick.
_QUICK = 0.5
#: So long that it needs no second one, even on a host that takes the CPU away for a tenth of a second.
_FAR_TOO_LONG = 500
#: The points that move a model to the pool. Each quick prediction takes one away: a hiccup of the host is forgiven.
_OUT = 25


def run_now(served: ServedVersion, request: InferenceRequest, limit_ms: float) -> InferenceResponse | ModelportError:
    """Predict on this thread. A model that proves dear is moved to the pool for its next requests."""
    outcome = predict(served, request)
    served.executions.count(served, request, outcome)
    if request.finished - request.started > limit_ms * 1e6 * _TOO_LONG:
        _strike(served, (request.finished - request.started) / (limit_ms * 1e6))
        served.proven_bytes = 0
    elif served.strikes:
        served.strikes -= 1
    return outcome


def _strike(served: ServedVersion, times_over: float) -> None:
    served.strikes += _OUT if times_over > _FAR_TOO_LONG else _STRIKE
    if served.strikes >= _OUT:
        served.execution = "pool"
        _log.info("%s@%d takes long: it runs in threads from now on", served.model, served.version)


def predict(served: ServedVersion, request: InferenceRequest) -> InferenceResponse | ModelportError:
    """One prediction: its response, or the error that it ended with. Raises nothing.

    A request whose deadline has passed is not begun.
    """
    request.started = perf_counter_ns()
    try:
        if request.deadline is not None:
            request.deadline.check()
        outputs = served.loaded.predict(request.inputs, request.outputs)
    except ModelportError as error:
        return error
    except Exception as error:
        _log.exception("%s@%d failed", served.model, served.version)
        return ModelFailedError(f"model {served.model!r} failed: {type(error).__name__}: {error}")
    finally:
        request.finished = perf_counter_ns()
    return InferenceResponse(served.model, served.version, outputs, request.id)


class Pool:
    """Threads that run dear models; the frameworks release the GIL while they compute."""

    def __init__(self, settings: EngineSettings) -> None:
        self._threads = settings.pool_threads or cpu_quota()
        self._limit = settings.queue + self._threads
        self._quick_ns = settings.inline_ms * 1e6 * _QUICK
        self._executor: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.waiting = 0

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Queue a request; `done` is called on the event loop's thread. A full queue refuses at once."""
        if self.waiting >= self._limit:
            done(OverloadedError(f"{self.waiting} requests wait already; try again in a moment"))
            return
        if self._closed:
            done(UnavailableError("the server is shutting down"))
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="modelport-predict")
            self._loop = asyncio.get_running_loop()
        self.waiting += 1
        served.inflight += 1
        self._executor.submit(self._work, served, request, done)

    def _learn(self, served: ServedVersion, request: InferenceRequest) -> None:
        """A large request that was quick all the same: the next ones of its size need no thread."""
        if request.finished - request.started < self._quick_ns and served.execution != "pool":
            size = sum(array.nbytes for array in request.inputs.values())
            served.proven_bytes = max(served.proven_bytes, size)

    def close(self) -> None:
        """Take no more, refuse what waits, and wait for what runs."""
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=True)

    def _work(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        outcome = UnavailableError("the server is shutting down") if self._closed else predict(served, request)
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, served, request, outcome, done)

    def _finish(
        self,
        served: ServedVersion,
        request: InferenceRequest,
        outcome: InferenceResponse | ModelportError,
        done: Done,
    ) -> None:
        self.waiting -= 1
        if request.finished:
            served.executions.count(served, request, outcome)
            self._learn(served, request)
        served.release()
        done(outcome)
