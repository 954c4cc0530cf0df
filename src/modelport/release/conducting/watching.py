"""What a server does beside answering while a rollout is open: it says what it counted, and conducts."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from modelport.core.errors import ModelportError
from modelport.engine.engine import Engine
from modelport.engine.rollouts.rollouts import Counted
from modelport.registry.base import Registry
from modelport.registry.releases import Observation
from modelport.release.conducting.conductor import Conductor

_log = logging.getLogger("modelport.release")
#: Seconds between two looks.
INTERVAL = 0.5


async def watch_rollouts(engine: Engine, registry: Callable[[], Registry]) -> None:
    """Runs until it is cancelled. Without an open rollout it does nothing; the registry is asked in a thread.

    A registry that can't be reached is asked again; its rollouts stay as they are meanwhile.
    """
    watch = Watch(registry)
    while True:
        await asyncio.sleep(INTERVAL)
        counted = engine.rollouts.counted()
        ids = [record.id for record in engine.rollouts.records]
        if ids or counted:
            await _aside(partial(watch.look, ids, counted))


async def _aside(work: Callable[[], None]) -> None:
    """Run it in a thread of its own, for which a server that stops does not wait: a registry may take its time."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=run, name="modelport-conducting", daemon=True).start()
    await ended.wait()


class Watch:
    """Used by one thread at a time. `server` names this process among all that report; no other one ever has it."""

    def __init__(self, registry: Callable[[], Registry]) -> None:
        host = socket.gethostname()
        self.server = f"{host}:{os.getpid()}:{secrets.token_hex(3)}"
        self._registry, self._name = registry, f"conductor on {host}"
        self._conductor: Conductor | None = None
        self._reported: dict[tuple[int, int], Counted] = {}
        self._failing = False

    def look(self, ids: Sequence[int], counted: Sequence[Counted]) -> None:
        """Say what was counted, and look at these rollouts. Raises nothing: it is tried again."""
        try:
            registry = self._registry()
            self._report(registry, counted)
            if self._conductor is None:
                self._conductor = Conductor(registry, self._name)
            for id_ in ids:
                self._conductor.look(id_)
        except Exception as error:
            self._fail(error)
        else:
            self._failing = False

    def _report(self, registry: Registry, counted: Sequence[Counted]) -> None:
        """What has changed since it was last said."""
        new = [item for item in counted if self._reported.get((item.rollout, item.version)) != item]
        if new:
            registry.observe([self._observation(item) for item in new])
        self._reported = {(item.rollout, item.version): item for item in counted}

    def _observation(self, item: Counted) -> Observation:
        return Observation(
            rollout=item.rollout,
            server=self.server,
            version=item.version,
            requests=item.requests,
            errors=item.errors,
            latency=item.latency,
            compared=item.compared,
            disagreed=item.disagreed,
            dropped=item.dropped,
        )

    def _fail(self, error: Exception) -> None:
        """Say it once, until it goes well again."""
        if not self._failing:
            expected = isinstance(error, ModelportError)
            _log.warning("open rollouts can't be looked after: %s", error, exc_info=None if expected else error)
        self._failing = True
