"""A model that notes what it computes, and refuses what killed its worker twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from modelport.artifacts.digest import Fingerprint
from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.runtime import LoadedModel, ModelInfo
from modelport.core.signature import Signature
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.quarantine.flight import TOO_LARGE, Flight, about
from modelport.engine.quarantine.identity import Row, full_key, rows_of, sample_key
from modelport.engine.quarantine.ledger import Ledger, Shared
from modelport.engine.served import ServedVersion


class Guard:
    """A worker's quarantine. Without it, for a server of one process, models run as they are."""

    def __init__(self, flight: Path, document: Shared, metrics: Metrics) -> None:
        """`flight` is this worker's own file."""
        self.flight = Flight(flight)
        self.ledger = Ledger(document, metrics)

    def begin_loading(self, model: str, version: int, fingerprint: Fingerprint) -> Callable[[], None]:
        """Note that a version is being loaded; gives what is to be called when that is over, well or not.

        Raises InvalidModelError where loading the same files ended a worker twice.
        """
        digest = sha256(repr((model, version, fingerprint)).encode()).hexdigest()
        row: Row = (b"loading", bytes.fromhex(digest))
        if full_key(row) in self.ledger.refused:
            raise InvalidModelError(f"{model}@{version} was being loaded at two crashes of a worker: it is left alone")
        slot = self.flight.begin_rows(about(model, version, digest), [row], sure=True)

        def end() -> None:
            self.flight.end(slot)
            if sample_key(row) in self.ledger.suspects:
                self.ledger.clear(sample_key(row))

        return end

    def watch(self, served: ServedVersion) -> None:
        """Let a version note what it computes, unless others compute it: its own processes, or a pipeline's steps."""
        if not (served.interruptible or served.streams or served.execution == "pipeline"):
            served.loaded = GuardedModel(served, self.flight, self.ledger)


class GuardedModel:
    """A loaded model under watch. `predict` costs some 0.5 µs more."""

    def __init__(self, served: ServedVersion, flight: Flight, ledger: Ledger) -> None:
        self.inner: LoadedModel = served.loaded
        self._predict = served.loaded.predict
        self._name, self._digest, self._joinable = served.model, served.digest, served.joinable
        self._about = about(served.model, served.version, served.digest)
        self._flight, self._ledger = flight, ledger
        self._alone = threading.Lock()

    @property
    def signature(self) -> Signature:
        """As the model's."""
        return self.inner.signature

    @property
    def info(self) -> ModelInfo:
        """As the model's."""
        return self.inner.info

    def close(self) -> None:
        """As the model's."""
        self.inner.close()

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """As the model's; raises ModelFailedError for an input that is refused."""
        if self._digest in self._ledger.digests:
            return self._with_care(inputs, outputs)
        count = self._count(inputs)
        slot = self._flight.begin(self._about, inputs, count)
        if slot == TOO_LARGE:
            slot = self._flight.begin_rows(self._about, rows_of(inputs, count), sure=False)
        try:
            return self._predict(inputs, outputs)
        finally:
            self._flight.end(slot)

    def _count(self, inputs: dict[str, Array]) -> int:
        """How many rows the inputs are; 1 where they are one as a whole."""
        if self._joinable:
            for array in inputs.values():
                return len(array) or 1
        return 1

    def _with_care(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None) -> dict[str, Array]:
        rows = rows_of(inputs, self._count(inputs))
        ledger = self._ledger
        if ledger.refused and any(full_key(row) in ledger.refused for row in rows):
            ledger.count_refusal(self._name)
            raise ModelFailedError(
                f"model {self._name!r} does not compute this input: it was running when a worker crashed, twice; "
                "a restart of the server forgets that"
            )
        suspected = [sample_key(row) in ledger.suspects for row in rows]
        if not any(suspected):
            return self._noted(inputs, outputs, rows, sure=False)
        if len(rows) == 1:
            return self._alone_with(inputs, outputs, rows[0])
        parts = [
            self.predict({name: array[at : at + 1] for name, array in inputs.items()}, outputs)
            for at in range(len(rows))
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _alone_with(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, row: Row) -> dict[str, Array]:
        """Run a suspect while no other runs: what is in flight at the next crash has then caused it."""
        with self._alone:
            try:
                answer = self._noted(inputs, outputs, [row], sure=True)
            except Exception:  # which is no crash
                self._ledger.clear(sample_key(row))
                raise
            self._ledger.clear(sample_key(row))
            return answer

    def _noted(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, rows: list[Row], *, sure: bool
    ) -> dict[str, Array]:
        slot = self._flight.begin_rows(self._about, rows, sure)
        try:
            return self._predict(inputs, outputs)
        finally:
            self._flight.end(slot)
