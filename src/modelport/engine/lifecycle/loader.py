"""From an artifact to a version that is ready for its first request."""

from __future__ import annotations

import logging

from modelport.artifacts.digest import digest
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.source import Artifact
from modelport.engine.lifecycle.warmup import measured_cost, rows_are_independent
from modelport.engine.served import Execution, ServedVersion
from modelport.runtimes import catalog

_log = logging.getLogger("modelport.lifecycle")


def load_version(engine: Engine, model: str, version: int, artifact: Artifact) -> ServedVersion:
    """Load, warm and measure. Takes as long as it takes: not for the event loop's thread. Raises ModelportError."""
    path = artifact.path
    try:
        named = digest(path)
        loaded = catalog.load(path, LoadSpec(threads=engine.settings.model_threads))
        cost = measured_cost(loaded)
    except ModelportError:
        raise
    except Exception as error:
        _log.exception("loading %s failed", path)
        raise InvalidModelError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    execution = _execution(engine, loaded, cost)
    return ServedVersion(model, version, loaded, named, path, engine.metrics, execution, cost or 0.0)


def _execution(engine: Engine, loaded: LoadedModel, cost: float | None) -> Execution:
    """Where the model runs: what is cheap on the event loop, as a batch where its rows do not depend on each other."""
    if cost is None or cost >= engine.settings.inline_ms:
        return "pool"
    return "tick" if engine.settings.tick_requests > 1 and rows_are_independent(loaded) else "inline"
