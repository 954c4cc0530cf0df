"""The express way: small JSON requests for a cheap model, as nearly all clients send them, with hardly any Python.

The extension (`modelport.native`) takes a request whose head is known out of the received bytes, reads its numbers
straight into the rows of a batch, and writes the answers of the whole batch. Here is what happens once per pass of the
event loop: finding the version, running the batch, and the requests that need more. Whatever is unusual in a request
goes the way of all others (`exchange.py`), which gives the same answers; without the extension, everything does.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from modelport.core.batch import Batch, BatchedResponse
from modelport.core.datatypes import DTYPES, Array
from modelport.core.deadline import Deadline
from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.metrics.metrics import BUCKETS_NS
from modelport.native import collect
from modelport.server.http.about import about, timing
from modelport.server.http.asked import asked
from modelport.server.http.exchange import Exchange
from modelport.server.http.routes import Route
from modelport.wire.compression import SMALLEST, compress
from modelport.wire.http import RowForm

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from modelport.engine.engine import Engine
    from modelport.engine.served import ServedVersion
    from modelport.engine.tick import Ran
    from modelport.native._collect import Collector, Gate, Known, Port

_log = logging.getLogger("modelport.server")
#: Heads and routes that are remembered; one more empties the memory, so that nobody can fill it.
_REMEMBERED = 2048
#: Requests that are collected in one pass; further ones go the way of all others.
_COLLECTED = 1024
_STATION = "http.express."
#: Headers that mean more than the express way looks at. What begins to look at another header adds it here.
_UNUSUAL = frozenset((b"content-encoding", b"x-request-priority", b"traceparent", b"tracestate"))


class Answering(Protocol):
    """A connection, as far as requests are answered on it one by one."""

    def reply_express(self, exchange: Exchange) -> None:
        """Write the exchange's reply, which is next."""


@dataclass(slots=True, eq=False)
class _Station:
    """What is prepared once for a version in a dialect."""

    served: ServedVersion
    route: Route
    form: RowForm
    collector: Collector
    inputs: list[tuple[str, np.dtype[Any], tuple[int, ...]]]
    prefix: bytes
    status: bytes
    lines: bytes
    meter: memoryview[float]
    known: dict[str, Any] = field(default_factory=dict)


#: For versions whose requests can't be collected as rows.
_NOWHERE = object()


class Express:
    """One for all connections of a process. Everything happens on the event loop's thread."""

    def __init__(self, engine: Engine, pipelined: int, body_bytes: int) -> None:
        """`pipelined`: requests of one connection that may wait here at most."""
        self._engine, self._pipelined, self._body_bytes = engine, pipelined, body_bytes
        self._heads: dict[bytes, Known] = {}
        self._ports: dict[tuple[Route, str], Port] = {}
        self.state: ServerState | None = None
        #: Whether there is one connection only: nobody else's requests can come in this pass of the event loop.
        self.alone = False
        self._begun: list[_Station] = []
        self._date: Any = None
        self._common = b""

    def gate(self, lane: Answering, settled: Callable[[], None]) -> Gate | None:
        """A new connection's gate; None without the extension."""
        return None if collect is None else collect.Gate(self._heads, self._pipelined, lane, settled)

    def know(self, head: bytes, route: Route, headers: Mapping[bytes, bytes], length: int) -> None:
        """Remember a head that the parser found in order, where requests that have it may come this way."""
        form_of = getattr(route.dialect, "row_form", None)
        if collect is None or form_of is None or route.model is None or route.error is not None:
            return
        if not _UNUSUAL.isdisjoint(headers) or length > self._engine.settings.inline_bytes:
            return
        try:
            seconds = asked(headers).seconds
        except ModelportError:
            return
        found = form_of(headers, length)
        if found is None:
            return
        form, json = found
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        smallest = SMALLEST if headers.get(b"accept-encoding", b"identity") != b"identity" else sys.maxsize
        limit = 0 if seconds is None else max(int(seconds * 1e9), 1)
        self._heads[head] = collect.Known(head, self._port(route, form), length, headers, smallest, limit, json)

    def _port(self, route: Route, form: RowForm) -> Port:
        port = self._ports.get((route, form.name))
        if port is None:
            assert collect is not None
            if len(self._ports) >= _REMEMBERED:
                self._ports.clear()
            port = self._ports[route, form.name] = collect.Port(
                partial(self._open, route, form, f"{_STATION}{route.dialect.name}.{form.name}")
            )
        return port

    def _open(self, route: Route, form: RowForm, key: str) -> Collector | None:
        """The collector of the version that answers now, which runs at the end of this pass; None where none may."""
        try:
            served = self._engine.find(route.model, route.version)
        except ModelportError:
            return None
        if not self._engine.tick.takes(served) or served.log is not None:
            return None
        split = self._engine.splits.get(served.model)
        if split is not None and not split.takes_rows(self._engine.model(served.model), route.version):
            return None
        station = served.signature.memo.get(key)
        if station is None or (station is not _NOWHERE and station.served is not served):
            station = self._prepare(served, route, form, key)
        if station is _NOWHERE:
            return None
        collector: Collector = station.collector
        if collector.begin():
            served.inflight += 1
            if self.alone:
                self._begun.append(station)
            else:
                asyncio.get_running_loop().call_soon(self._run, station)
        return collector

    def run_begun(self) -> None:
        """Run what the only connection's requests began: they need not wait for the end of the pass."""
        while self._begun:
            self._run(self._begun.pop())

    def _prepare(self, served: ServedVersion, route: Route, form: RowForm, key: str) -> Any:
        """The version's station, remembered for as long as it is served."""
        memo = served.signature.memo
        memo[key] = self._station(served, route, form) or _NOWHERE
        served.on_close.append(lambda: memo.pop(key, None))
        return memo[key]

    def _station(self, served: ServedVersion, route: Route, form: RowForm) -> _Station | None:
        inputs = form.inputs(served.signature)
        most = self._engine.settings.inline_bytes
        if inputs is None or form.row_bytes(inputs) > most:
            return None
        assert collect is not None
        return _Station(
            served,
            route,
            form,
            collect.Collector(inputs, _COLLECTED, most, form.plans(served.signature)),
            [(name.decode(), DTYPES[datatype.decode()], shape[1:]) for name, datatype, _, shape in inputs],
            form.prefix(served.model, served.version),
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: " % form.content_type,
            about(served).lines,
            served.meter(route.dialect.name).row,
        )

    def _run(self, station: _Station) -> None:
        """Run what was collected in this pass, and answer it."""
        collector = station.collector
        requests, rows, late, buffers = collector.close()
        try:
            arrays = {
                name: np.ndarray((rows, *shape), dtype, buffer)
                for (name, dtype, shape), buffer in zip(station.inputs, buffers, strict=True)
            }
            most = self._engine.tick.largest
            for start in range(0, requests, most):
                self._run_some(station, arrays, start, min(start + most, requests), late, requests <= most)
        finally:
            collector.clear()
            station.served.release()
            if self.state is not None:
                self.state.total_requests += requests

    def _run_some(
        self, station: _Station, arrays: dict[str, Array], start: int, end: int, late: bool, whole: bool
    ) -> None:
        """Requests `start` to `end`; `whole`: they are all that were collected."""
        collector = station.collector
        try:
            first, last = collector.span(start, end)
            inputs, count = arrays, end - start
            if not whole:
                inputs = {name: array[first:last] for name, array in arrays.items()}
            ran = None if late else self._engine.tick.run_rows(station.served, inputs, last - first, count)
            columns = None if ran is None else station.form.columns(ran[2], station.known)
            if ran is None or columns is None:
                self._answer_each(station, arrays, start, end, ran)
                return
            started, finished, _ = ran
            lines = (station.status, self._common_lines() + station.lines, station.prefix)
            slow = partial(self._answer_slowly, station, started, finished)
            binary, meter = station.form.binary, station.meter
            collector.answer(start, end, lines, columns, binary, started, finished, meter, BUCKETS_NS, slow)
            if self._engine.splits:
                self._count(station, arrays, start, end, ran)
        except Exception as error:
            served = station.served
            _log.exception("a batch of %s@%d was answered with an internal error", served.model, served.version)
            self._fail(station, start, end, InternalError(f"internal error: {type(error).__name__}"))

    def _count(self, station: _Station, arrays: dict[str, Array], start: int, end: int, ran: Ran) -> None:
        """Tell the model's rollout, where it has one, what was answered: copies may be run on the other version."""
        split = self._engine.splits.get(station.served.model)
        if split is None:
            return
        span = station.collector.span
        first, _ = span(start, end)
        started, finished, outputs = ran

        def row(number: int) -> tuple[InferenceRequest, dict[str, Array]]:
            at, to = span(start + number, start + number + 1)
            inputs = {name: array[at:to].copy() for name, array in arrays.items()}  # whose memory is used again
            return InferenceRequest(inputs), {name: array[at - first : to - first] for name, array in outputs.items()}

        split.ran_rows(station.served, end - start, finished - started, row)

    def _answer_each(self, station: _Station, arrays: dict[str, Array], start: int, end: int, ran: Ran | None) -> None:
        """Requests that can't be answered together: because their batch failed, or because of what it gave."""
        collector, served = station.collector, station.served
        first, _ = collector.span(start, end)
        batch = None if ran is None else Batch(ran[2])
        split = self._engine.splits.get(served.model)
        for index in range(start, end):
            lane, headers, name, row, rows, received, decoded, limit = collector.request(index)
            inputs = {key: array[row : row + rows] for key, array in arrays.items()}
            request = InferenceRequest(inputs, None, name, received=received, decoded=decoded)
            if limit:
                request.deadline = Deadline.after((received + limit - perf_counter_ns()) / 1e9)
            outcome: InferenceResponse | ModelportError
            if ran is None or batch is None:
                outcome = self._engine.tick.run_alone(served, request)
            else:
                request.started, request.finished = ran[:2]
                outcome = BatchedResponse(served.model, served.version, batch, row - first, row - first + rows, name)
            exchange = self._exchange(station, headers)
            ticket = None if split is None else split.row_ticket(served)
            exchange.resume(served, request, station.form.encode, ticket)
            exchange.answer(outcome)
            lane.reply_express(exchange)
            collector.done(index)

    def _answer_slowly(
        self, station: _Station, started: int, finished: int, index: int, body: bytes, json: int
    ) -> None:
        """A reply that is to be compressed, or the last one of its connection."""
        lane, headers, *_, received, decoded, _ = station.collector.request(index)
        exchange = self._exchange(station, headers)
        request = InferenceRequest({}, received=received, decoded=decoded, started=started, finished=finished)
        exchange.about, exchange.timing = about(station.served), timing(request)
        reply = station.form.reply(body, json)
        exchange.reply = compress(reply, headers.get(b"accept-encoding", b"identity"))
        lane.reply_express(exchange)

    def _fail(self, station: _Station, start: int, end: int, error: ModelportError) -> None:
        """Answer what is not answered yet with an error."""
        for index in range(start, end):
            with suppress(IndexError):  # it was answered
                lane, headers, *_ = station.collector.request(index)
                exchange = self._exchange(station, headers)
                exchange.refuse_unbegun(error)
                lane.reply_express(exchange)
                station.collector.done(index)

    def _exchange(self, station: _Station, headers: Mapping[bytes, bytes]) -> Exchange:
        return Exchange(self._engine, station.route, headers, True, self._body_bytes)

    def _common_lines(self) -> bytes:
        """`date` and such, joined anew when uvicorn renews them (once a second)."""
        headers = () if self.state is None else self.state.default_headers
        if headers is not self._date:
            self._date = headers
            self._common = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._common
