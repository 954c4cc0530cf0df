"""From an artifact to a version that is ready for its first request."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import ModelFile
from modelport.core.declared import DeclaredTensor, declared_tensors, with_meanings
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.runtime import InterruptibleModel, LoadedModel, LoadSpec
from modelport.engine.cost_curve import CostCurve
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.background import apart, quietly
from modelport.engine.lifecycle.measuring import measured_curve
from modelport.engine.lifecycle.source import files_beside
from modelport.engine.lifecycle.warmup import measured_cost, rows_are_independent
from modelport.engine.pipelines import PipelineFront, PipelineOptions, pipeline_model
from modelport.engine.requests import LoggingOptions
from modelport.engine.sequence_states import OwnStates, SharedStates, States
from modelport.engine.sequences import SequenceOptions, Sequences, visible
from modelport.engine.served import Execution, Front, ServedVersion
from modelport.engine.settings import CacheOptions, ServingOptions
from modelport.runtimes.catalog import detect, entry_for
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.opening import open_model
from modelport.runtimes.tokenized import own_spec, wrap

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
        _check_described(model, artifact)
        settings = artifact.model_file(model)
        options = settings.section("serving", ServingOptions)
        spec = load_spec(settings, engine.settings.model_threads)
        named = apart(lambda: digest(path, files_beside(path, spec.options)))
        if "pipeline" in settings.tables:
            return _pipeline(engine, ServedAs(model, version, named, path), settings, options, spec)
        process = settings.section("process", ProcessOptions)
        served = ServedVersion(
            model,
            version,
            _opened(engine, model, named, path, spec, process, settings.folder),
            named,
            path,
            engine.metrics,
            options=options,
        )
        if isinstance(served.loaded, InterruptibleModel):
            served.instances = process.instances
        _describe(served, settings, spec)
        _measured(engine, served)
        _put_in_front(engine, served, settings)
    except ModelportError:
        raise
    except Exception as error:
        _log.exception("loading %s failed", path)
        raise InvalidModelError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    return served


def _check_described(model: str, artifact: Artifact) -> None:
    """Say what another server's description asks for that is not done. Raises InvalidModelError where that is all."""
    if artifact.described is None:
        return
    if artifact.described.problem:
        raise InvalidModelError(artifact.described.problem)
    for warning in artifact.described.warnings:
        _log.warning("%s: %s", model, warning)


def _opened(
    engine: Engine, model: str, named: str, path: Path, spec: LoadSpec, process: ProcessOptions, folder: Path
) -> LoadedModel:
    """The model in memory, or in processes of its own, which keep the priority that they begin with."""

    def opened() -> LoadedModel:
        return wrap(open_model(model, named, path, own_spec(spec), engine.trust, process), folder, spec.inputs)

    return opened() if process.isolated or entry_for(detect(path)).runs_code else quietly(opened)


@dataclass(frozen=True, slots=True)
class ServedAs:
    """Which version of which model an artifact is, and what names its content."""

    model: str
    version: int
    digest: str
    path: Path


def _pipeline(
    engine: Engine, named: ServedAs, settings: ModelFile, options: ServingOptions, spec: LoadSpec
) -> ServedVersion:
    """A version that other models compute. They are served already: a source shows pipelines last."""
    described = settings.section("pipeline", PipelineOptions)
    made = pipeline_model(described, engine.find, spec.inputs)
    served = ServedVersion(named.model, named.version, made, named.digest, named.path, engine.metrics, options=options)
    served.execution = "pipeline"
    _describe(served, settings, spec)
    _put_in_front(engine, served, settings, PipelineFront(described, engine.find, engine.submit).submit)
    return served


def load_spec(settings: ModelFile, threads: int = 0) -> LoadSpec:
    """How a model's own file wants it loaded; `threads` is the server's setting. Raises InvalidModelError."""
    runtime = settings.section("runtime", RuntimeOptions)
    chosen = {name: value if isinstance(value, str) else _text(value) for name, value in runtime.options.items()}
    inputs, outputs = (_declared(settings, name) for name in ("inputs", "outputs"))
    return LoadSpec(runtime.threads or threads, runtime.device, chosen, inputs, outputs)


def _declared(settings: ModelFile, name: str) -> tuple[DeclaredTensor, ...]:
    try:
        declared = declared_tensors(settings.tables.get(name, {}))
    except ValueError as error:
        raise InvalidModelError(f"modelport.toml: [{name}]: {error}") from None
    return tuple(replace(item, shared=(name, item.name) in settings.shared) for item in declared)


def _text(value: Any) -> str:
    """An option's value as runtimes take it: a list as its parts with commas, a table as JSON, truth as words."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _measured(engine: Engine, served: ServedVersion) -> ServedVersion:
    """Its cost decides how it runs: what is cheap on the event loop, what is dear in threads."""
    loaded = served.loaded
    cost = measured_cost(loaded, served.signature)
    served.cost_ms = cost or 0.0
    served.joinable = cost is not None and not served.streams and rows_are_independent(loaded, served.signature)
    served.curve = (
        CostCurve() if cost is None else measured_curve(loaded, served.signature, cost, joinable=served.joinable)
    )
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


def _describe(served: ServedVersion, settings: ModelFile, spec: LoadSpec) -> None:
    """What its owner says of the model and its tensors, in place of what the file says."""
    served.signature = with_meanings(served.signature, spec.inputs, spec.outputs)
    description = settings.tables.get("description")
    if description is not None and not isinstance(description, str):
        raise InvalidModelError(f"modelport.toml: description must be a text, not {description!r}")
    if description:
        served.info = replace(served.info, properties={**served.info.properties, "description": description})


def _put_in_front(engine: Engine, served: ServedVersion, settings: ModelFile, run: Front | None = None) -> None:
    """What stands before the version: state, a cache, deadlines and priorities of its own. `run` computes."""
    options = served.options
    if "sequence" in settings.tables:
        run = _sequences(engine, served, settings.section("sequence", SequenceOptions)).submit
    cache = settings.section("cache", CacheOptions)
    if "cache" in settings.tables and cache.enabled and engine.settings.cache_mb:
        if "sequence" in settings.tables:
            raise InvalidModelError(
                "modelport.toml: a model with a [sequence] can't have a [cache]: its answers change"
            )
        run = engine.cache.front(served, cache, run or engine.run).submit
    served.front = run
    seconds = options.timeout_seconds or engine.settings.request_seconds
    served.special = bool(run or seconds or options.priority != "interactive")
    logging = settings.section("logging", LoggingOptions)
    served.log = engine.requests.of_version(
        served.model, served.version, served.digest, served.signature, logging, stateful="sequence" in settings.tables
    )


def _sequences(engine: Engine, served: ServedVersion, options: SequenceOptions) -> Sequences:
    """Hide the state from callers, and keep it: where several workers serve, in a folder that they share."""
    served.signature = visible(served.signature, options)
    if engine.folder is None:
        states: States = OwnStates(options.idle_seconds, options.max_sequences)
    else:
        folder = engine.folder / "sequences" / f"{served.model}-{served.version}"
        states = SharedStates(folder, options.idle_seconds, options.max_sequences)
    return Sequences(served, options, states, engine.run)
