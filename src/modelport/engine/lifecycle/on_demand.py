"""Loading and unloading by name, for the dialects that let a client or a platform do that."""

from __future__ import annotations

import asyncio
from pathlib import Path

from modelport.core.errors import ConflictError, InvalidModelError, NotFoundError, OutOfResourcesError
from modelport.core.references import check_model_name
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.loading import Loading
from modelport.engine.lifecycle.source import scan
from modelport.engine.served import ServedVersion


class OnDemand:
    """Models of this process that no source shows. One process only: others do not learn of them."""

    def __init__(self, engine: Engine, admission: Admission | None = None) -> None:
        self._engine, self._loading = engine, Loading(engine, admission)
        self._changing: set[str] = set()

    async def load(self, name: str, path: Path) -> None:
        """Serve the newest version of the one model at `path` as `name`.

        Raises ConflictError where `name` is served already or being loaded, NotFoundError where no model is there, and
        what loading raises.
        """
        check_model_name(name)
        if self._engine.has(name) or name in self._changing:
            raise ConflictError(f"model {name!r} is loaded already")
        self._changing.add(name)
        try:
            found = await asyncio.to_thread(scan, (path,))
            if len(found) != 1:
                names = ", ".join(sorted(found)) or "none"
                raise NotFoundError(f"{path} should hold one model; it holds: {names}")
            versions = next(iter(found.values()))
            number = max(versions)
            version = await self._loaded(name, number, versions[number])
            self._engine.expect(name).add(version)
        finally:
            self._changing.discard(name)

    async def _loaded(self, name: str, number: int, artifact: Artifact) -> ServedVersion:
        """Raises OutOfResourcesError for a model that does not fit into the memory left, or fails for lack of it."""
        try:
            return await self._loading.load(name, number, artifact)
        except InvalidModelError as error:
            if isinstance(error.__cause__, MemoryError) or "allocat" in str(error).lower():
                raise OutOfResourcesError(f"model {name!r} does not fit into memory: {error}") from error
            raise

    async def unload(self, name: str) -> None:
        """Serve `name` no longer; its last requests are answered. Raises NotFoundError."""
        model = self._engine.model(name)
        for version in model.versions:
            model.remove(version.version)
            version.retire()
        self._engine.forget(name)
