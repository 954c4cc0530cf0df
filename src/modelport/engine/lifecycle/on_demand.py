"""Loading and unloading by name, for the dialects that let a client or a platform do that."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from modelport.core.errors import ConflictError, InvalidModelError, NotFoundError, OutOfResourcesError
from modelport.core.host import memory_limit
from modelport.core.references import check_model_name
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.loader import load_version
from modelport.engine.lifecycle.source import Artifact, scan
from modelport.engine.served import ServedVersion


class OnDemand:
    """Models of this process that no source shows. One process only: others do not learn of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
            version = await asyncio.to_thread(self._loaded, name, number, versions[number])
            self._engine.expect(name).add(version)
        finally:
            self._changing.discard(name)

    def _loaded(self, name: str, number: int, artifact: Artifact) -> ServedVersion:
        """Raises OutOfResourcesError for a model that is larger than the memory left, or fails for lack of it."""
        size, left = _size(artifact.path), available_memory()
        if size > left:
            raise OutOfResourcesError(f"model {name!r} has {size} bytes, but only {left} bytes of memory are left")
        try:
            return load_version(self._engine, name, number, artifact)
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


def _size(path: Path) -> int:
    """The bytes of an artifact's files: what it needs in memory at least."""
    files = path.rglob("*") if path.is_dir() else [path, *path.parent.glob(f"{path.name}?data")]
    return sum(file.stat().st_size for file in files if file.is_file())


def available_memory() -> int:
    """Bytes that a model may still take: what the machine has free, and what the cgroup leaves beside this process."""
    free = _words("/proc/meminfo", "MemAvailable:")
    left = int(free[1]) << 10 if free else 2**62
    limit = memory_limit()
    if limit is not None:
        resident = _words("/proc/self/statm", "")
        left = min(left, limit - (int(resident[1]) * os.sysconf("SC_PAGESIZE") if resident else 0))
    return max(left, 0)


def _words(file: str, beginning: str) -> list[str]:
    """The words of the first line that begins so; none where the system has no such file."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return []
    return next((line.split() for line in lines if line.startswith(beginning)), [])
