"""What Triton's management extensions act on, over gRPC and REST alike; the same in all workers of a server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from modelport.core.references import parse_version
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.metrics.statistics import Statistics, statistics
from modelport.server.log_settings import LogSettings
from modelport.server.repository import Repository
from modelport.server.shared_memory import SharedMemory
from modelport.wire.model_config import model_config

#: How often a worker looks at what the others were asked, in seconds.
_EVERY = 0.1


class Extensions:
    """The repository, shared memory and log settings of one process, kept up with the other workers'."""

    def __init__(self, engine: Engine, lifecycle: Lifecycle, folder: Path | None = None) -> None:
        """Before the lifecycle starts. `folder` is shared by the workers; None where there is one process."""
        self._engine, self._guard = engine, lifecycle.guard
        self._alone = folder is None
        self.repository = Repository(engine, lifecycle, folder)
        self.memory = SharedMemory(folder)
        self.logging = LogSettings(folder)

    async def follow(self) -> None:
        """Do what other workers were asked, until cancelled."""
        while not self._alone:
            self.logging.catch_up()
            if self._guard is not None:
                self._guard.ledger.catch_up()
            await self.repository.catch_up()
            await asyncio.sleep(_EVERY)

    def close(self) -> None:
        """Give shared memory back."""
        self.memory.close()

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The configuration of a version, or of the default one. Raises ModelportError."""
        served = self._engine.find(model, parse_version(version) if version else None)
        return model_config(model, served.version, served.info, served.signature, self._engine.settings.tick_requests)

    def statistics(self, model: str = "", version: str = "") -> list[Statistics]:
        """The statistics of a version, of a model's ready versions, or of all. Raises ModelportError."""
        if version:
            return statistics(self._engine.metrics, [(model, self._engine.find(model, parse_version(version)).version)])
        models = [self._engine.model(model)] if model else self._engine.models()
        ready = [(item.name, served.version) for item in models for served in item.versions]
        return statistics(self._engine.metrics, ready)
