"""Runs copies of requests on a rollout's other version and compares the answers, where nobody waits for it.

One thread for the whole process; it works for a tenth of the time at most, and predicts at the lowest priority. What
comes while enough waits is not taken: callers never wait for a copy, and copies never pile up.

The priority is lowered for the prediction only, where it can be raised again: a thread of low priority that held the
interpreter's lock while others have the processor would hold up everybody. Where it can't, the thread is a little nice.
A thread that has become idle is to give way at once, and to have long slices: see `core/scheduling.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter, perf_counter_ns, thread_time_ns

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError, UnavailableError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.scheduling import LONG, be, give_way, nice, undisturbed
from modelport.engine.batches import predict
from modelport.engine.lifecycle.background import may_raise_priority
from modelport.engine.rollouts.agreement import agree
from modelport.engine.served import Done, ServedVersion

#: The part of the time in which copies may be run.
SHARE = 0.1
#: Copies that wait at most, and the bytes of their arrays; one of any size may wait alone.
LONGEST, MOST_BYTES = 8, 64_000_000
_NICER = 10
#: Executions that compute at the normal priority.
_ELSEWHERE = ("process", "pipeline")
#: However long a copy took: the next one is run after so many seconds.
_LONGEST_REST = 30.0
Submit = Callable[[ServedVersion, InferenceRequest, Done], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a copy: the error that it ended with, or whether the answer was as `expected`. `nanoseconds` is
    how long the prediction would have taken in service, as nearly as that can be told."""

    error: ModelportError | None
    agreed: bool
    nanoseconds: int


@dataclass(slots=True, eq=False)
class Copy:
    """A request that is run once more, by `served`. `done` is called on the event loop's thread."""

    served: ServedVersion
    request: InferenceRequest
    expected: dict[str, Array]
    done: Callable[[Compared], None]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        arrays = (*self.request.inputs.values(), *self.expected.values())
        self.size = sum(array.nbytes for array in arrays)


class Mirror:
    """`offer` and `close` are called on the event loop's thread."""

    def __init__(self, submit: Submit) -> None:
        """`submit` is the engine's, for versions that are run by it and not by a call: pipelines."""
        self._submit = submit
        self._queue: SimpleQueue[Copy | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = self._bytes = self._caller = 0
        self._lower = False

    def has_room(self, urgent: bool = False) -> bool:
        """Whether one more copy can wait; some places are kept for urgent ones."""
        return self._waiting < LONGEST * (1 + urgent) and not self._closing.is_set()

    def offer(self, copy: Copy, urgent: bool = False) -> bool:
        """Run a copy later. False where there is no room; then it is not run."""
        if not self.has_room(urgent) or (self._waiting and self._bytes + copy.size > MOST_BYTES):
            return False
        self._loop = asyncio.get_running_loop()
        if self._thread is None:
            self._caller = threading.get_native_id()
            self._thread = threading.Thread(target=self._run, name="modelport-mirror", daemon=True)
            self._thread.start()
        copy.served.inflight += 1
        self._waiting += 1
        self._bytes += copy.size
        copy.request.inputs = {name: lasting(array) for name, array in copy.request.inputs.items()}
        self._queue.put(copy)
        return True

    def close(self) -> None:
        """Begin no further copy, and wait for the one that is run: a process must not end within a framework."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_LONGEST_REST)

    def _run(self) -> None:
        self._lower = may_raise_priority()
        if not self._lower:
            be(_NICER, LONG)
        while True:
            seconds = self._run_one()
            if seconds is None or self._closing.wait(min(seconds * (1 / SHARE - 1), _LONGEST_REST)):
                return

    def _run_one(self) -> float | None:
        """Run what is next; gives how long it took, None where nothing is to come any more."""
        copy = self._queue.get()
        if copy is None:
            return None
        begun = perf_counter()
        compared = self._compare(copy)
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody counts any more
            self._loop.call_soon_threadsafe(self._finish, copy, compared)
        return perf_counter() - begun

    def _compare(self, copy: Copy) -> Compared:
        request = copy.request
        # what is computed on this thread waits for others: its time of the processor is what it would take without that
        clock = perf_counter_ns if copy.served.execution in _ELSEWHERE else thread_time_ns
        begun = clock()
        outcome = self._outcome(copy.served, request)
        took = clock() - begun
        if isinstance(outcome, ModelportError):
            return Compared(outcome, False, took)
        return Compared(None, agree(copy.expected, outcome.outputs), took)

    def _outcome(self, served: ServedVersion, request: InferenceRequest) -> InferenceResponse | ModelportError:
        try:
            served.signature.check_inputs(request.inputs)
        except ModelportError as error:
            return error
        if served.execution != "pipeline":
            return self._predict(served, request)
        assert self._loop is not None
        ended: Future[InferenceResponse | ModelportError] = Future()
        request.priority = 1
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._submit, served, request, ended.set_result)
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    return ended.result(0.5)
        return UnavailableError("the server is shutting down")

    def _predict(self, served: ServedVersion, request: InferenceRequest) -> InferenceResponse | ModelportError:
        with undisturbed(self._caller):
            return self._predict_low(served, request) if self._lower else predict(served, request)

    def _predict_low(self, served: ServedVersion, request: InferenceRequest) -> InferenceResponse | ModelportError:
        normal = nice()
        be(normal, LONG, idle=True)
        give_way()
        try:
            return predict(served, request)
        finally:
            be(normal)

    def _finish(self, copy: Copy, compared: Compared) -> None:
        self._waiting -= 1
        self._bytes -= copy.size
        copy.served.release()
        if not self._closing.is_set():
            copy.done(compared)


def lasting(array: Array) -> Array:
    """The array, or a copy of it where its memory may be written to by others: a shared region, say."""
    base: object = array
    while isinstance(base, np.ndarray | memoryview) and (inner := _under(base)) is not None:
        base = inner
    return array if isinstance(base, bytes | np.ndarray) else array.copy()


def _under(base: Array | memoryview) -> object:
    return base.obj if isinstance(base, memoryview) else base.base
