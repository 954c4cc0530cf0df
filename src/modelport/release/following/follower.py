"""Follows the registry: each change of what it desires is switched to, fetched, loaded and unloaded here.

What is loaded already is switched to on the event loop as soon as the registry's thread tells, whatever is being
fetched or loaded then. The rest is one change after the other, what production needs first.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from modelport.core.errors import ModelportError, UnavailableError
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.source import Found, pipelines_last
from modelport.engine.metrics.metrics import Metrics
from modelport.registry.base import Registry
from modelport.registry.releases import Desired, DesiredModel, RolloutRecord
from modelport.release.following.cache import ContentCache
from modelport.release.following.fetching import Fetching
from modelport.release.following.remembered import Memory, Remembered
from modelport.release.following.settings import FollowSettings
from modelport.release.following.watch import Contact, Watch
from modelport.release.following.wishing import (
    Waiting,
    Wanted,
    next_expiry,
    open_rollouts,
    waiting_since,
    wanted,
    wishes,
)

_log = logging.getLogger("modelport.following")
#: Gets the rollouts that are open, on the event loop's thread, whenever they change.
OnRollouts = Callable[[list[RolloutRecord]], None]
#: Seconds that a start waits for the registry before it takes what is remembered.
_PATIENCE = 5.0
#: Seconds between two looks at what time alone changes; at the cache; at versions for which there was no room.
_TICK, _HOUSEKEEPING, _ROOM = 0.5, 60.0, 5.0


class Follower:
    """One process's. Everything is called on the event loop's thread; the registry is asked in another."""

    def __init__(
        self,
        make: Callable[[], Registry],
        cache: ContentCache,
        memory: Memory,
        settings: FollowSettings,
        metrics: Metrics,
        place: str = "",
    ) -> None:
        """`make` opens the registry; `place` is where that is, for people."""
        self.place, self._settings, self._memory = place, settings, memory
        self._fetching = Fetching(cache)
        self._watch = Watch(make, self._told, self._failed, self._measure)
        self._contact, self._unreachable = metrics.latest("registry_contact", {}), metrics.gauge("registry_away", {})
        self._head = metrics.latest("registry_head", {})
        self._lifecycle: Lifecycle | None = None
        self._on_rollouts: list[OnRollouts] = []
        self._rollouts: list[RolloutRecord] = []
        self._desired: Desired | None = None
        self._waiting: Waiting = {}
        self._wanted: list[Wanted] = []
        self._expires = math.inf
        self._known = 0
        self._spare = False
        self.from_cache = False
        #: The registry was heard of, be it a failure; it answered; something is to be done.
        self._heard, self._answered, self._changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, lifecycle: Lifecycle, on_rollouts: Sequence[OnRollouts] = ()) -> None:
        """Whom to tell: before `begin`."""
        self._lifecycle = lifecycle
        self._on_rollouts = list(on_rollouts)

    def found(self) -> Found:
        """What is here of what is wanted: the source of the lifecycle. Models of which nothing is here are empty."""
        found: Found = {}
        for item in self._wanted:
            versions = found.setdefault(item.model, {})
            artifact = self._fetching.artifacts.get(item.key)
            if artifact is not None and (self._spare or not item.warm):
                versions[item.number] = artifact
        return pipelines_last(found)

    async def begin(self) -> None:
        """Until it is known what to load, and all that can be had of it is here.

        Where the registry does not answer soon, that is what it said last; where nothing is remembered, it is waited
        for.
        """
        self._loop = asyncio.get_running_loop()
        remembered = await asyncio.to_thread(self._memory.read)
        if remembered is not None:
            self._known, self._waiting = remembered.desired.head, remembered.waiting
        self._watch.start()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), _PATIENCE)
            if not self._answered.is_set():
                await self._recall(remembered)
            await self._fetch_all()
        except BaseException:
            self.stop()
            raise

    async def follow(self) -> None:
        """Keep up with the registry, until cancelled."""
        self._spare = True
        self._changed.set()
        housekeeping = room = time.monotonic()
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _TICK)
                now = time.monotonic()
                expired = time.time() > self._expires
                if self._changed.is_set() or expired or self._fetching.missing(self._wanted):
                    await self._converge()
                elif self._short() and now - room > _ROOM:
                    room = now
                    await self._lifecycle_here.converge(again=True)
                if now - housekeeping > _HOUSEKEEPING:
                    housekeeping = now
                    await asyncio.to_thread(self._keep_house, self._fetching.used())
                self._measure(self._watch.contact)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread, and transfers."""
        self._watch.stop()
        self._fetching.stop()

    # what the registry says

    def _told(self, desired: Desired) -> None:
        """Called in the registry's thread. Raises UnavailableError for a registry that has lost everything."""
        if desired.head == 0 and self._known:
            raise UnavailableError(
                f"{self.place} is empty, and was at event {self._known} before: is it the same registry? Where nothing "
                f"of the old one is wanted any more, remove {self._fetching.cache.folder}"
            )

        def take() -> None:
            self._known = desired.head
            self._take(desired, from_cache=False)
            self._answered.set()
            self._heard.set()

        self._on_loop(take)

    def _failed(self, error: ModelportError) -> None:
        """Called in the registry's thread, when it ceases to answer."""
        _log.error("the registry %s can't be reached: %s; what is served goes on", self.place, error)
        self._on_loop(self._heard.set)

    def _on_loop(self, work: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the server has stopped
            assert self._loop is not None
            self._loop.call_soon_threadsafe(work)

    def _take(self, desired: Desired, from_cache: bool) -> None:
        """Want this from now on. What is loaded is switched to before this returns."""
        before, self._desired, self.from_cache = self._desired, desired, from_cache
        if before is not None and before.models == desired.models:
            return
        self._waiting = waiting_since(desired, self._waiting, time.time())
        self._direct()
        rollouts = open_rollouts(desired)
        if rollouts != self._rollouts or before is None:
            self._rollouts = rollouts
            for hook in self._on_rollouts:
                hook(rollouts)
        self._changed.set()

    def _direct(self) -> None:
        if self._desired is not None:
            waits = self._settings.warm_seconds
            self._wanted = wanted(self._desired, self._waiting, time.time() - waits)
            self._expires = next_expiry(self._waiting, time.time() - waits) + waits
            self._fetching.limit(self._wanted)
            self._lifecycle_here.direct(wishes(self._desired, self._wanted, self._fetching.problems))

    # getting there

    async def _recall(self, remembered: Remembered | None) -> None:
        """Begin with what is remembered; without that, wait for the registry."""
        if remembered is None:
            _log.error("nothing of the registry is remembered here: nothing can be served before it answers")
            await self._answered.wait()
            return
        _log.warning("serving what the registry %s said last, at event %d", self.place, remembered.desired.head)
        self._take(remembered.desired, from_cache=True)

    async def _converge(self) -> None:
        """Make it as it is wanted; a change meanwhile is taken up at once."""
        self._changed.clear()
        if not self.from_cache and self._desired is not None:
            await asyncio.to_thread(self._memory.write, Remembered(self._desired, self._waiting))
        self._direct()
        await self._lifecycle_here.converge()
        for item in self._fetching.missing(self._wanted):
            if self._changed.is_set():
                return
            if not (item.warm and self._short()):
                await self._fetch(item)
                self._direct()
                await self._lifecycle_here.converge()

    async def _fetch_all(self) -> None:
        """Fetch what is named, before anything is loaded."""
        for item in self._fetching.missing(self._wanted):
            if not item.warm:
                await self._fetch(item)
        self._direct()

    async def _fetch(self, item: Wanted) -> None:
        self._fetching.note(item, *await asyncio.to_thread(self._fetching.fetch, item, self._watch.registry))

    def _short(self) -> bool:
        return self._lifecycle_here.short_of_memory

    def _keep_house(self, used: set[str]) -> None:
        self._fetching.cache.touch(used)
        removed = self._fetching.cache.sweep(used, self._settings.cache_hours * 3600)
        if removed:
            _log.info("%d contents that nothing needed went from %s", removed, self._fetching.cache.folder)

    @property
    def _lifecycle_here(self) -> Lifecycle:
        assert self._lifecycle is not None
        return self._lifecycle

    # what is known of it

    def _measure(self, contact: Contact) -> None:
        """Also called in the registry's thread."""
        away = bool(contact.problem(time.time()))
        self._contact[0], self._head[0], self._unreachable[0] = contact.last, contact.head, away

    def document(self) -> dict[str, Any]:
        """How it stands with the registry, as JSON; moments are Unix seconds."""
        contact = self._watch.contact
        return {
            "registry": self.place,
            "head": 0 if self._desired is None else self._desired.head,
            "since": contact.since or None,
            "last_contact": contact.last or None,
            "error": contact.problem(time.time()) or None,
            "from_cache": self.from_cache,
        }

    def desired_documents(self) -> dict[str, dict[str, Any]]:
        """What the registry wants of each model, as JSON."""
        by_model: dict[str, list[Wanted]] = {}
        for item in self._wanted:
            by_model.setdefault(item.model, []).append(item)
        models = () if self._desired is None else self._desired.models
        return {model.name: self._desired_document(model, by_model.get(model.name, [])) for model in models}

    def _desired_document(self, model: DesiredModel, own: list[Wanted]) -> dict[str, Any]:
        problems = self._fetching.problems
        return {
            "aliases": model.aliases,
            "versions": sorted(item.number for item in own if not item.warm),
            "waiting_for_rollback": sorted(item.number for item in own if item.warm),
            "rollout": None if model.rollout is None else model.rollout.id,
            "problems": {item.number: str(problems[item.key]) for item in own if item.key in problems},
        }
