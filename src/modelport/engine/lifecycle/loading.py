"""One version into memory: admitted, noted as under way, loaded in the background, watched, and its room given back."""

from __future__ import annotations

import asyncio
import logging

from modelport.core.memory import release_memory
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.golden import prove
from modelport.engine.lifecycle.loader import load_version
from modelport.engine.quarantine.guard import Guard
from modelport.engine.served import ServedVersion

_log = logging.getLogger("modelport.lifecycle")
#: Memory is given back this long after a version is closed, in seconds: once for all that close together.
_SOON = 0.5


def proven_version(engine: Engine, name: str, number: int, artifact: Artifact) -> ServedVersion:
    """Load, and ask what is stored with the model; a version that answers wrongly is closed again.

    For a thread. Raises ModelportError.
    """
    served = load_version(engine, name, number, artifact)
    try:
        count = prove(served.loaded, served.signature, artifact.model_file(name))
    except BaseException:
        served.retire()
        raise
    if count:
        _log.info("%s@%d answers its %d golden requests rightly", name, number, count)
    return served


class Loading:
    """Loads versions for one engine. Everything is called on the event loop's thread."""

    def __init__(self, engine: Engine, admission: Admission | None = None, guard: Guard | None = None) -> None:
        self._engine, self._guard = engine, guard
        self._admission = admission or Admission()
        self._release: asyncio.TimerHandle | None = None

    async def load(self, name: str, number: int, artifact: Artifact) -> ServedVersion:
        """The version, ready for its first request. Raises ModelportError; OutOfResourcesError before it takes room."""
        end = None if self._guard is None else self._guard.begin_loading(name, number, artifact.fingerprint)
        try:
            with self._admission.admitted(name, number, artifact.fingerprint):
                served = await asyncio.to_thread(proven_version, self._engine, name, number, artifact)
        finally:
            self.release_soon()  # a runtime may need twice a model's size while it loads
            if end is not None:
                end()
        if self._guard is not None:
            self._guard.watch(served)
        served.on_close.append(self.release_soon)
        return served

    def settle(self) -> None:
        """Everything that was there at the start is loaded: from now on all workers load together."""
        self._admission.alone = False

    def release_soon(self) -> None:
        """Give the memory of what is closed now back to the system, a little later."""
        if self._release is None:
            loop = asyncio.get_running_loop()
            self._release = loop.call_later(_SOON, self._start_release)

    def _start_release(self) -> None:
        self._release = None
        asyncio.get_running_loop().run_in_executor(None, release_memory)
