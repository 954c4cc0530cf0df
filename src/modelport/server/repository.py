"""Loading and unloading models by request, in all workers, and the index of what there is.

Source of the index's words: Triton "Model Repository Extension".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelport.core.errors import ModelportError, NotFoundError, UnsupportedError
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.served import ServedModel
from modelport.server.shared_document import in_folder

_log = logging.getLogger("modelport.server")
_WITHOUT_EFFECT = frozenset({"unload_dependents"})


class Repository:
    """What the repository requests of every dialect do. A request to one worker is a request to all of them.

    What was asked stays: polling does not bring back a model that was unloaded, and a worker that replaces another
    begins with it unloaded.
    """

    def __init__(self, engine: Engine, lifecycle: Lifecycle, folder: Path | None = None) -> None:
        """`folder` is shared by the server's workers; None where there is one process."""
        self._engine, self._lifecycle = engine, lifecycle
        self._asked = in_folder(folder, "repository")
        self._done: dict[str, int] = {}
        for name, asked in self._asked.read().items():
            self._done[name] = asked["number"]
        lifecycle.withhold(name for name, asked in self._asked.read().items() if not asked["loaded"])

    def index(self, ready: bool = False) -> list[dict[str, str]]:
        """Every version that is served or was tried, with its state; `ready` leaves out those that do not answer."""
        found: list[dict[str, str]] = []
        for model in self._engine.models():
            found += self._index_of(model)
        return [entry for entry in found if not ready or entry["state"] == "READY"]

    def _index_of(self, model: ServedModel) -> list[dict[str, str]]:
        entries = {version.version: _entry(model.name, version.version, "READY") for version in model.versions}
        for number, reason in self._lifecycle.missing(model.name).items():
            entries.setdefault(number, _entry(model.name, number, "UNAVAILABLE", reason))
        if not entries:
            state = "LOADING" if model.state == "loading" else "UNAVAILABLE"
            reason = "unloaded" if model.unloaded else model.error or ""
            return [{"name": model.name, "state": state, "reason": reason}]
        return [entries[number] for number in sorted(entries)]

    async def load(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Load a model, or load it again, in every worker; returns when this one has. Raises ModelportError."""
        for parameter in parameters or {}:
            raise UnsupportedError(
                f"load of {name[:200]!r}: the parameter {parameter[:60]!r} is not supported; "
                "models are loaded as they lie in the repository"
            )
        await self._ask(name, loaded=True)

    async def unload(self, name: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Serve a model no longer, in every worker. Raises ModelportError."""
        for parameter in (parameters or {}).keys() - _WITHOUT_EFFECT:
            raise UnsupportedError(f"unload of {name[:200]!r}: the parameter {parameter[:60]!r} is not supported")
        await self._ask(name, loaded=False)

    async def catch_up(self) -> None:
        """Do what other workers were asked since the last look."""
        for name, asked in list(self._asked.read().items()):
            if self._done.get(name) != asked["number"]:
                self._done[name] = asked["number"]
                try:
                    await self._do(name, asked["loaded"])
                except ModelportError as error:
                    _log.warning("another worker was asked for a change of %r: %s", name, error)

    async def _ask(self, name: str, loaded: bool) -> None:
        with self._asked.change() as asked:
            number = max((entry["number"] for entry in asked.values()), default=0) + 1
            asked[name] = {"number": number, "loaded": loaded}
            self._done[name] = number
        try:
            await self._do(name, loaded)
        except NotFoundError:
            with self._asked.change() as asked:
                asked.pop(name, None)  # a name that means nothing is not kept
            raise

    async def _do(self, name: str, loaded: bool) -> None:
        await (self._lifecycle.load(name) if loaded else self._lifecycle.unload(name))


def _entry(name: str, version: int, state: str, reason: str = "") -> dict[str, str]:
    return {"name": name, "version": str(version), "state": state, "reason": reason}
