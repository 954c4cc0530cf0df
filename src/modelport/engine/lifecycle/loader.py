"""From an artifact to a version that is ready for its first request."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import ModelFile
from modelport.core.declared import DeclaredTensor, declared_tensors, with_meanings
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.runtime import LoadSpec
from modelport.engine.cost_curve import CostCurve
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.measuring import measured_curve
from modelport.engine.lifecycle.source import Artifact
from modelport.engine.lifecycle.warmup import measured_cost, rows_are_independent
from modelport.engine.served import Execution, ServedVersion
from modelport.engine.settings import CacheOptions, ServingOptions
from modelport.runtimes import catalog

_log = logging.getLogger("modelport.lifecycle")


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """The table `[runtime]`: how the framework loads the model."""

    device: str = "cpu"
    threads: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def load_version(engine: Engine, model: str, version: int, artifact: Artifact) -> ServedVersion:
    """Load, warm and measure. Takes as long as it takes: not for the event loop's thread. Raises ModelportError."""
    path = artifact.path
    try:
        settings = artifact.model_file(model)
        options = settings.section("serving", ServingOptions)
        spec = load_spec(settings, engine.settings.model_threads)
        named = digest(path)
        loaded = catalog.load(path, spec)
        served = _measured(engine, ServedVersion(model, version, loaded, named, path, engine.metrics, options=options))
        served.signature = with_meanings(served.signature, spec.inputs, spec.outputs)
        _put_in_front(engine, served, settings)
    except ModelportError:
        raise
    except Exception as error:
        _log.exception("loading %s failed", path)
        raise InvalidModelError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    return served


def load_spec(settings: ModelFile, threads: int = 0) -> LoadSpec:
    """How a model's own file wants it loaded; `threads` is the server's setting. Raises InvalidModelError."""
    runtime = settings.section("runtime", RuntimeOptions)
    chosen = {name: value if isinstance(value, str) else _text(value) for name, value in runtime.options.items()}
    inputs, outputs = (_declared(settings, name) for name in ("inputs", "outputs"))
    return LoadSpec(runtime.threads or threads, runtime.device, chosen, inputs, outputs)


def _declared(settings: ModelFile, name: str) -> tuple[DeclaredTensor, ...]:
    try:
        return declared_tensors(settings.tables.get(name, {}))
    except ValueError as error:
        raise InvalidModelError(f"modelport.toml: [{name}]: {error}") from None


def _text(value: Any) -> str:
    """An option's value as runtimes take it: a list as its parts with commas, true and false as words."""
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measured(engine: Engine, served: ServedVersion) -> ServedVersion:
    """Its cost decides how it runs: what is cheap on the event loop, what is dear in threads."""
    loaded = served.loaded
    cost = measured_cost(loaded)
    served.cost_ms = cost or 0.0
    served.joinable = cost is not None and not served.streams and rows_are_independent(loaded)
    served.curve = CostCurve() if cost is None else measured_curve(loaded, cost, joinable=served.joinable)
    largest = served.options.max_batch or engine.settings.batch_rows
    if served.joinable and served.options.batching and served.curve.favoured(largest) < 2 <= largest:
        _log.info("%s@%d: batches do not pay: its requests run one by one", served.model, served.version)
    served.execution = _execution(engine, served, cost)
    return served


def _execution(engine: Engine, served: ServedVersion, cost: float | None) -> Execution:
    options, settings = served.options, engine.settings
    if served.instances:
        return "process"
    batches = served.joinable and options.batching and settings.tick_requests > 1 and options.max_batch != 1
    if options.execution == "tick" and not batches:
        _log.warning("%s: execution 'tick' needs rows that do not depend on each other: it runs inline", served.model)
        return "inline"
    if options.execution != "auto":
        return options.execution
    delayed = options.max_delay_ms or settings.max_delay_ms
    if cost is None or cost >= settings.inline_ms or served.streams or (delayed and batches):
        return "pool"
    return "tick" if batches and served.curve.favoured(settings.tick_requests) > 1 else "inline"


def _put_in_front(engine: Engine, served: ServedVersion, settings: ModelFile) -> None:
    """What stands before the version: a cache, deadlines and priorities of its own."""
    options = served.options
    if "cache" in settings.tables:
        cache = settings.section("cache", CacheOptions)
        if cache.enabled and engine.settings.cache_mb:
            served.front = engine.cache.front(served, cache, engine.run).submit
    seconds = options.timeout_seconds or engine.settings.request_seconds
    served.special = bool(served.front or seconds or options.priority != "interactive")
