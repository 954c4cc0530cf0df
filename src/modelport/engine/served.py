"""What is served: models, and their versions in memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.references import UnknownAliasError
from modelport.core.runtime import InterruptibleModel, LoadedModel, ModelInfo, StreamingModel
from modelport.core.signature import Signature
from modelport.engine.cost_curve import CostCurve
from modelport.engine.metrics.executions import Executions
from modelport.engine.metrics.metrics import Meter, Metrics
from modelport.engine.settings import ServingOptions

if TYPE_CHECKING:
    from modelport.engine.requests import VersionLog

_log = logging.getLogger("modelport.engine")
#: `tick`: on the event loop, batched per pass; `inline`: on the event loop, one by one; `pool`: in threads;
#: `process`: in processes of its own; `pipeline`: by other models.
Execution = Literal["tick", "inline", "pool", "process", "pipeline"]
#: Those that answer within the pass of the event loop in which a request came.
ON_THE_LOOP = ("tick", "inline")
#: Called with the outcome on the event loop's thread, perhaps before what it was given to returns.
Done = Callable[[InferenceResponse | ModelportError], None]
#: Takes a version's requests before they are run: a cache, say.
Front = Callable[["ServedVersion", InferenceRequest, Done], None]


@dataclass(slots=True, eq=False)
class ServedVersion:
    """One version in memory. `inflight` counts what uses it and `waiting` holds what will: it is closed only after."""

    model: str
    version: int
    loaded: LoadedModel
    digest: str
    path: Path
    metrics: Metrics
    execution: Execution = "pool"
    cost_ms: float = 0.0
    loaded_at: float = field(default_factory=time.time)
    inflight: int = 0
    retired: bool = False
    strikes: int = 0
    #: Inputs of up to so many bytes were predicted quickly, though they are large.
    proven_bytes: int = 0
    waiting: list[Any] = field(default_factory=list)
    options: ServingOptions = field(default_factory=ServingOptions)
    #: Rows of several requests may be computed together: they were seen not to depend on each other.
    joinable: bool = False
    #: Predictions that can run at once because the model itself has as many instances; 0 where that is no matter.
    instances: int = 0
    curve: CostCurve = field(default_factory=CostCurve)
    #: Called once it is closed.
    on_close: list[Callable[[], None]] = field(default_factory=list)
    front: Front | None = None
    #: Whether a request passes more than its execution: a front, a default deadline or priority.
    special: bool = False
    #: Where its requests are logged; None where they are not.
    log: VersionLog | None = None
    signature: Signature = field(init=False)
    info: ModelInfo = field(init=False)
    batched: bool = field(init=False)
    interruptible: bool = field(init=False)
    streams: bool = field(init=False)
    executions: Executions = field(init=False)
    _meters: dict[str, Meter] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.signature = self.loaded.signature
        self.info = self.loaded.info
        self.batched = self.signature.batched
        self.interruptible = isinstance(self.loaded, InterruptibleModel)
        self.streams = isinstance(self.loaded, StreamingModel)
        self.executions = Executions(self.metrics, self.model, self.version)

    def meter(self, dialect: str) -> Meter:
        """Where requests that came in that dialect are counted."""
        meter = self._meters.get(dialect)
        if meter is None:
            meter = self._meters[dialect] = self.metrics.meter(self.model, self.version, dialect)
        return meter

    def rows_of(self, request: InferenceRequest) -> int:
        """How many rows of data a request has: its first input's first dimension, for a model of batches."""
        if self.batched:
            for array in request.inputs.values():
                return len(array)
        return 1

    @property
    def batching(self) -> str:
        """Whether requests are computed together, and if not, why, in words."""
        if self.execution == "pipeline":
            return "by its steps' models"
        if not self.options.batching or self.options.max_batch == 1:
            return "off: its modelport.toml says so"
        if not self.joinable:
            return "off: its rows are not known to be independent of each other"
        favoured = self.curve.favoured(self.options.max_batch or 1 << 30)
        return f"on: up to {favoured} rows pay" if favoured > 1 else "off: it does not pay"

    @property
    def cost_curve(self) -> list[tuple[int, float]]:
        """(rows, milliseconds): measured at load, kept up to date by load where it runs in threads."""
        return self.curve.points

    def release(self) -> None:
        """One request fewer uses it; the last one out closes a retired version."""
        self.inflight -= 1
        self._close_when_unused()

    def retire(self) -> None:
        """No new request will come. Closes now, or when the last request is done."""
        self.retired = True
        self._close_when_unused()

    def _close_when_unused(self) -> None:
        if self.retired and self.inflight == 0 and not self.waiting:
            closing, self.on_close = self.on_close, []
            for close in (*closing, self.loaded.close):
                try:
                    close()
                except Exception:  # neither the last request nor the change that is under way shall fail with it
                    _log.exception("closing %s@%d failed", self.model, self.version)


@dataclass(slots=True, eq=False)
class ServedModel:
    """A model by name, with the versions that are ready, and the one of them that answers where none is named."""

    name: str
    by_number: dict[int, ServedVersion] = field(default_factory=dict)
    default: ServedVersion | None = None
    failure: ModelportError | None = None
    loading: bool = False
    #: Somebody asked for it not to be served, until it is asked for again.
    unloaded: bool = False
    #: Names for some of the versions, whether these are ready or not.
    aliases: Mapping[str, int] = field(default_factory=dict)
    #: The version that answers where none is named, once it is ready: None the newest, 0 none at all.
    preferred: int | None = None
    #: It came after the server had begun to serve: that it is not ready yet says nothing of the server.
    late: bool = False
    _named: Mapping[str, int] = field(default_factory=dict)

    def number(self, version: int | str | None) -> int | None:
        """The number of a version that is meant by an alias. Raises UnknownAliasError."""
        if not isinstance(version, str):
            return version
        if version not in self.aliases:
            raise UnknownAliasError(version, ", ".join(self.aliases))
        return self.aliases[version]

    @property
    def versions(self) -> list[ServedVersion]:
        """The ready versions, oldest first."""
        return [self.by_number[number] for number in sorted(self.by_number)]

    @property
    def state(self) -> Literal["ready", "loading", "failed", "unloaded"]:
        """`ready` as long as some version answers, whatever became of a newer one."""
        if self.default is not None or (self.preferred == 0 and self.by_number):
            return "ready"
        if self.unloaded:
            return "unloaded"
        return "failed" if self.failure is not None and not self.loading else "loading"

    @property
    def error(self) -> str | None:
        """Why the last load failed, for people."""
        return None if self.failure is None else str(self.failure)

    def add(self, version: ServedVersion) -> ServedVersion | None:
        """Serve a version; gives the one of the same number that it replaces."""
        before = self.by_number.get(version.version)
        self.by_number[version.version] = version
        self._choose()
        return before

    def remove(self, number: int) -> ServedVersion | None:
        """Serve a version no longer."""
        version = self.by_number.pop(number, None)
        self._choose()
        return version

    def direct(self, aliases: Mapping[str, int], preferred: int) -> None:
        """Let these names mean these versions, and `preferred` answer where none is named (0: none does).

        What is ready is switched to at once. A name of a version that is not goes on meaning what it meant until it is.
        """
        self._named, self.preferred = dict(aliases), preferred
        self._choose()

    @property
    def in_use(self) -> set[int]:
        """The ready versions that names mean, and the one that answers where none is named."""
        used = {*self.aliases.values(), *(() if self.default is None else (self.default.version,))}
        return used & self.by_number.keys()

    def _choose(self) -> None:
        ready, wanted = self.by_number, self.preferred
        if wanted is not None:
            self.aliases = {alias: self._meant(alias, number) for alias, number in self._named.items()}
        if wanted is None:
            self.default = ready[max(ready)] if ready else None
        elif wanted == 0 or wanted in ready or self.default is None:
            self.default = ready.get(wanted)
        else:
            self.default = ready.get(self.default.version)

    def _meant(self, alias: str, number: int) -> int:
        before = self.aliases.get(alias, number)
        return before if number not in self.by_number and before in self.by_number else number
