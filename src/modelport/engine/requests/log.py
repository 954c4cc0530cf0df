"""Logging requests: a version's `VersionLog` is told of each one that was answered, and forgets about it."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from time import perf_counter_ns, time_ns

import msgspec

from modelport.core.batch import BatchedResponse
from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.metrics.segment import Row
from modelport.engine.requests.hiding import Hidden, everything_of, hidden_by
from modelport.engine.requests.model_log import ModelLog
from modelport.engine.requests.options import LoggingOptions, is_logged
from modelport.engine.requests.record import Record, tensors
from modelport.engine.requests.writer import Writer

_log = logging.getLogger("modelport.requests")
_random = random.random
#: Characters of what a client calls its request, and of an error's text.
_CALLED, _SAID = 200, 2000
_NAME = "request_log"
Outcome = InferenceResponse | ModelportError | list[InferenceResponse]


class RequestLogs:
    """Every model's log, of one process. Nothing is made, no folder and no thread, before a model is logged."""

    def __init__(self, root: Path, setting: str, metrics: Metrics) -> None:
        """`setting` names the models that are logged though their files do not say so."""
        self.root = root
        self.active = False  # whether any model of this process is logged, or was
        self._setting, self._metrics = setting, metrics
        self._models: dict[str, ModelLog] = {}
        self._writer = Writer(lambda: list(self._models.values()))

    def of_version(
        self, model: str, version: int, digest: str, signature: Signature, options: LoggingOptions, *, stateful: bool
    ) -> VersionLog | None:
        """The log of a version that is loaded; None where it has none. From any thread. Raises InvalidModelError."""
        if not is_logged(model, options, self._setting):
            return None
        hidden = hidden_by(options.hide, signature)
        log = self._models.setdefault(model, ModelLog(self.root, model))
        log.options = options
        self.active = True
        self._writer.start()
        empty = Record("", "", 0, model, version, digest, "", None, None, [], stateful=stateful)
        return VersionLog(self._writer, log, self._metrics, empty, options, hidden)

    def close(self) -> None:
        """Write what waits, and let go of all files."""
        self._writer.close()


class VersionLog:
    """Takes note of one version's requests, on the event loop's thread. It raises nothing, and waits for nothing."""

    def __init__(
        self, writer: Writer, log: ModelLog, metrics: Metrics, empty: Record, options: LoggingOptions, hidden: Hidden
    ) -> None:
        self._writer, self._metrics = writer, metrics
        self.log, self.empty, self.hidden = log, empty, hidden
        self._options = options
        self._rows: dict[str, Row] = {}

    def named(self, signature_name: str, signature: Signature) -> VersionLog:
        """The log of the same version, asked by another of its signatures."""
        try:
            hidden = hidden_by(self._options.hide, signature)
        except InvalidModelError:
            hidden = everything_of(signature)
        empty = msgspec.structs.replace(self.empty, signature=signature_name)
        return VersionLog(self._writer, self.log, self._metrics, empty, self._options, hidden)

    def note(
        self, request_id: str, dialect: str, client_id: str, request: InferenceRequest | None, outcome: Outcome
    ) -> None:
        """Log one request that has been answered; `request` None where it could not be read.

        The arrays are kept until they are written: nobody may write to them.
        """
        if self._options.sample < 1 and _random() >= self._options.sample:
            return
        rows = self._rows or self._begin()
        note = _Noted(self, request_id, dialect, client_id, request, outcome)
        if not self._writer.put(note):
            rows["full"][0] += 1

    def _begin(self) -> dict[str, Row]:
        """The counters, which are made on the event loop's thread."""
        name = self.empty.model
        self._rows = {
            result: self._metrics.counter(_NAME, {"model": name, "result": result})
            for result in ("written", "full", "failed")
        }
        self.log.written, self.log.failed = self._rows["written"], self._rows["failed"]
        return self._rows


class _Noted:
    """A request that waits to be written; `size` is that of its arrays."""

    __slots__ = ("_at", "_client_id", "_dialect", "_id", "_log", "_now", "_outcome", "_request", "size")

    def __init__(
        self,
        log: VersionLog,
        request_id: str,
        dialect: str,
        client_id: str,
        request: InferenceRequest | None,
        outcome: Outcome,
    ) -> None:
        self._log, self._id, self._dialect, self._client_id = log, request_id, dialect, client_id
        self._request, self._outcome = request, outcome
        self._at, self._now = time_ns(), perf_counter_ns()
        self.size = _size(request, outcome)

    def write(self) -> None:
        """Add it to the model's segment."""
        try:
            record = self._record()
        except Exception:  # arrays of a kind that nobody thought of: the request was answered, and is not logged
            _log.exception("a request could not be logged")
            self._log.log.lose(1)
            return
        self._log.log.add(record)

    def _record(self) -> Record:
        log, request, outcome = self._log, self._request, self._outcome
        hidden, empty = log.hidden, log.empty
        kind = text = cache = ""
        answers: list[InferenceResponse] = []
        if isinstance(outcome, ModelportError):
            kind = str(outcome.kind)
            text = "" if hidden.names or hidden.output_names else str(outcome)[:_SAID]  # it may cite what is hidden
        elif isinstance(outcome, list):
            answers = outcome
        else:
            answers, cache = [outcome], outcome.cache
        inputs = None if request is None else tensors(hidden.of_inputs(request.inputs), hidden.columns)
        return Record(
            self._id,
            (self._client_id or (request.id if request is not None else ""))[:_CALLED],
            self._at,
            empty.model,
            empty.version,
            empty.digest,
            self._dialect,
            inputs,
            None if request is None or request.outputs is None else list(request.outputs),
            [tensors(hidden.of_outputs(answer.outputs), {}) for answer in answers],
            kind,
            text,
            *_stages(request, self._now),
            cache,
            hidden.names,
            hidden.output_names,
            empty.signature,
            empty.stateful,
        )


def _stages(request: InferenceRequest | None, now: int) -> tuple[int, int, int, int]:
    """Nanoseconds of reading, waiting, computing, and in all."""
    if request is None or not request.received:
        return 0, 0, 0, 0
    decoded = max(request.decoded - request.received, 0)
    queued = max(request.started - request.decoded, 0) if request.started else 0
    computed = max(request.finished - request.started, 0) if request.finished else 0
    return decoded, queued, computed, now - request.received


def _size(request: InferenceRequest | None, outcome: Outcome) -> int:
    size = 0 if request is None else _bytes_of(request.inputs)
    if isinstance(outcome, BatchedResponse):  # its arrays are not cut before they are needed
        rows = max(outcome.end - outcome.start, 1)
        return size + sum(array.nbytes // max(len(array), 1) * rows for array in outcome.batch.outputs.values())
    if isinstance(outcome, InferenceResponse):
        return size + _bytes_of(outcome.outputs)
    return size + sum(_bytes_of(answer.outputs) for answer in outcome) if isinstance(outcome, list) else size


def _bytes_of(arrays: dict[str, Array]) -> int:
    size = 0
    for array in arrays.values():
        size += array.nbytes
        if array.dtype.kind == "O":
            size += sum(map(len, array.ravel().tolist()))
    return size
