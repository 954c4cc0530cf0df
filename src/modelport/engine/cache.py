"""The response cache: what a version answered to exactly these inputs is answered again without running the model.

Off unless a model's `[cache]` asks for it: only its owner knows that the same inputs always mean the same outputs. The
key is the artifact's digest, the outputs asked for, and every byte of the inputs, so that a new version never answers
with an old one's numbers. A request that equals one under way waits for that one's answer.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter_ns

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.metrics.segment import Row
from modelport.engine.served import Done, ServedVersion
from modelport.engine.settings import CacheOptions

Run = Callable[[ServedVersion, InferenceRequest, Done], None]
_EVENTS = ("hit", "miss", "joined")


@dataclass(frozen=True, slots=True)
class _Kept:
    served: ServedVersion
    outputs: dict[str, Array]
    size: int
    until: float


class ResponseCache:
    """The responses of all versions of this process, up to a number of bytes; the longest unused go first.

    Used on the event loop's thread.
    """

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = 0
        self._bytes_of: dict[ServedVersion, int] = {}

    def front(self, served: ServedVersion, options: CacheOptions, run: Run) -> CacheFront:
        """What takes a version's requests, and passes to `run` those that have to be computed."""
        served.on_close.append(lambda: self._drop(served))
        return CacheFront(self, served, options, run)

    def get(self, key: bytes) -> dict[str, Array] | None:
        """The outputs under a key, while they are good."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until < monotonic():
            self._remove(key)
            return None
        self._kept.move_to_end(key)
        return kept.outputs

    def put(self, key: bytes, served: ServedVersion, options: CacheOptions, outputs: dict[str, Array]) -> None:
        """Keep a copy of the outputs, where one response does not take more than its share."""
        size = sum(_bytes_in(array) for array in outputs.values())
        share = int(options.max_mb * 1e6)
        if size > min(share, self._limit) // 4 or served.retired:
            return
        if key in self._kept:
            self._remove(key)
        while self._bytes + size > self._limit and self._kept:
            self._remove(next(iter(self._kept)))
        while self._bytes_of.get(served, 0) + size > share:
            self._remove(next(key for key, kept in self._kept.items() if kept.served is served))
        until = monotonic() + options.ttl_seconds if options.ttl_seconds else float("inf")
        copies = {name: array.copy() for name, array in outputs.items()}
        for array in copies.values():
            array.flags.writeable = False
        self._kept[key] = _Kept(served, copies, size, until)
        self._change(served, size)

    def rows(self, served: ServedVersion) -> dict[str, Row]:
        """The counters of a version by event."""
        labels = {"model": served.model, "version": str(served.version)}
        return {event: self._metrics.counter("cache_requests", {**labels, "result": event}) for event in _EVENTS}

    def _remove(self, key: bytes) -> None:
        kept = self._kept.pop(key)
        self._change(kept.served, -kept.size)

    def _change(self, served: ServedVersion, size: int) -> None:
        self._bytes += size
        self._bytes_of[served] = self._bytes_of.get(served, 0) + size
        self._metrics.set("cache_bytes", {}, self._bytes)
        self._metrics.set("cache_entries", {}, len(self._kept))

    def _drop(self, served: ServedVersion) -> None:
        for key in [key for key, kept in self._kept.items() if kept.served is served]:
            self._remove(key)
        self._bytes_of.pop(served, None)


class CacheFront:
    """One version's requests before they are computed."""

    def __init__(self, cache: ResponseCache, served: ServedVersion, options: CacheOptions, run: Run) -> None:
        self._cache, self._served, self._options, self._run = cache, served, options, run
        self._joined: dict[bytes, list[tuple[InferenceRequest, Done]]] = {}
        self._counters: dict[str, Row] = {}  # made with the first request: on the event loop's thread

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Answer from what is kept, or join a request that is under way, or run it."""
        key = _key(served, request)
        outputs = self._cache.get(key)
        if outputs is not None:
            self._answer(request, done, outputs, "hit")
        elif key in self._joined:
            self._joined[key].append((request, done))
        else:
            self._joined[key] = []
            self._count("miss")
            self._run(served, request, lambda outcome: self._computed(key, done, outcome))

    def _computed(self, key: bytes, done: Done, outcome: InferenceResponse | ModelportError) -> None:
        followers = self._joined.pop(key)
        if isinstance(outcome, ModelportError):
            done(outcome)
            for request, waiting in followers:  # the failure may have been the first one's own: its deadline, say
                self._count("miss")
                self._run(self._served, request, waiting)
            return
        outcome.cache = "miss"
        self._cache.put(key, self._served, self._options, outcome.outputs)
        outputs = outcome.outputs
        done(outcome)
        for request, waiting in followers:
            self._answer(request, waiting, outputs, "joined")

    def _count(self, event: str) -> None:
        self._counters = self._counters or self._cache.rows(self._served)
        self._counters[event][0] += 1

    def _answer(self, request: InferenceRequest, done: Done, outputs: dict[str, Array], how: str) -> None:
        request.started = request.finished = perf_counter_ns()
        self._count(how)
        if request.deadline is not None:
            try:
                request.deadline.check()
            except ModelportError as error:
                done(error)
                return
        served = self._served
        done(InferenceResponse(served.model, served.version, outputs, request.id, cache=how))


def _key(served: ServedVersion, request: InferenceRequest) -> bytes:
    """Everything that decides the answer. Each part says its own length, so that no two requests read alike."""
    made = hashlib.blake2b(served.digest.encode(), digest_size=20)
    made.update(repr((served.version, request.outputs, len(request.inputs))).encode())
    for name, array in sorted(request.inputs.items()):
        made.update(repr((name, array.dtype.str, array.shape)).encode())
        if array.dtype == np.object_:
            texts = array.ravel().tolist()
            made.update(repr([len(text) for text in texts]).encode())
            made.update(b"".join(texts))
        else:
            made.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return made.digest()


def _bytes_in(array: Array) -> int:
    return array.nbytes + (sum(map(len, array.ravel().tolist())) if array.dtype == np.object_ else 0)
