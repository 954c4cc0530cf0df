"""Reconciles the engine to what should be served, one change at a time, without a moment in which nothing answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping

from modelport.artifacts.digest import Fingerprint
from modelport.core.errors import ModelportError, NotFoundError, OutOfResourcesError
from modelport.core.nearest import did_you_mean
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.loading import Loading
from modelport.engine.lifecycle.plans import Plans
from modelport.engine.lifecycle.policy import Plan, Replace, VersionPolicy
from modelport.engine.lifecycle.source import Found
from modelport.engine.lifecycle.wishes import Wish, Wishes
from modelport.engine.quarantine.guard import Guard
from modelport.engine.served import ServedModel

_log = logging.getLogger("modelport.lifecycle")
_Key = tuple[str, int]


class Lifecycle:
    """Loads what the source shows and the policy chooses; unloads the rest once its replacement answers."""

    def __init__(
        self,
        engine: Engine,
        source: Callable[[], Found],
        policy: VersionPolicy,
        replace: Replace = "availability",
        admission: Admission | None = None,
        guard: Guard | None = None,
    ) -> None:
        """`policy` and `replace` hold for models whose own files do not say otherwise."""
        self._engine = engine
        self._source = source
        self._plans = Plans(Plan(policy, replace))
        self._wishes = Wishes()
        self._loading = Loading(engine, admission, guard)
        self.guard = guard
        self._tried: dict[_Key, Fingerprint] = {}
        self._failed: dict[_Key, ModelportError] = {}
        self._seen: dict[_Key, Fingerprint] = {}
        #: Models that were unloaded by request, and the versions that they had.
        self._unloaded: dict[str, tuple[int, ...]] = {}
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Load everything that is there now. A model that fails is kept as failed; the others serve."""
        found = await asyncio.to_thread(self._source)
        self._seen = _fingerprints(found)
        for name in found:
            self._expect(name).unloaded = name in self._unloaded
        self._engine.starting = False
        async with self._changing:
            await self.reconcile(found)
        self._loading.settle()

    def direct(self, wishes: Mapping[str, Wish]) -> None:
        """What a registry wants from now on, in place of policies and of what models' own files say of versions.

        Versions that are ready are switched to before this returns, whatever is being loaded; `converge` does the rest.
        """
        for name, number in self._wishes.change(wishes):
            if (name, number) in self._failed:
                self._tried.pop((name, number), None)  # it is asked for anew: perhaps what it lacked is there now
        for name, wish in wishes.items():
            if self._engine.has(name):
                _direct(self._engine.model(name), wish)

    async def converge(self, again: bool = False) -> None:
        """Load and unload until what is served is what the source shows and the registry wants.

        `again`: try versions once more for which there was no room.
        """
        found = await asyncio.to_thread(self._source)
        async with self._changing:
            for key in self._short() if again else ():
                self._tried.pop(key, None)
            await self.reconcile(found)

    @property
    def short_of_memory(self) -> bool:
        """Whether a version that is wanted was not loaded because there was no room."""
        return bool(self._short())

    def _short(self) -> list[_Key]:
        return [
            (name, number)
            for (name, number), error in self._failed.items()
            if isinstance(error, OutOfResourcesError) and not self._wishes.spares(name, number)
        ]

    def withhold(self, names: Iterable[str]) -> None:
        """Before the start: models that are there, but were unloaded by request."""
        self._unloaded.update(dict.fromkeys(names, ()))

    async def load(self, name: str) -> None:
        """Load a model again from what the source shows now, whatever became of it before.

        What is served goes on until the new versions answer. Raises NotFoundError where the source has no such model,
        or what the load failed with.
        """
        found = await asyncio.to_thread(self._source)
        async with self._changing:
            if name not in found:
                there = ", ".join(sorted(found)[:10]) or "none"
                raise NotFoundError(
                    f"there is no model {name[:200]!r} to load{did_you_mean(name, found)}; there are: {there}"
                )
            self._unloaded.pop(name, None)
            model = self._engine.expect(name)
            model.unloaded = False
            for number in found[name]:
                self._tried.pop((name, number), None)
            await self._reconcile_model(model, found[name], self._plan(name, found[name]), set())
            self._engine.metrics.set("models_ready", {}, len(self._served()))
        if model.failure is not None:
            raise model.failure

    async def unload(self, name: str) -> None:
        """Serve a model no longer, until `load` asks for it. Requests that run are answered.

        Raises NotFoundError where there is no such model.
        """
        async with self._changing:
            model = self._engine.model(name)
            self._unloaded[name] = tuple(model.by_number) or self._unloaded.get(name, ())
            model.unloaded, model.failure = True, None
            self._unload(model, keep=set())
            self._engine.metrics.set("models_ready", {}, len(self._served()))

    def missing(self, name: str) -> dict[int, str]:
        """Versions of a model that are not served, and why: they were unloaded, or what their load failed with."""
        missing = dict.fromkeys(self._unloaded.get(name, ()), "unloaded")
        if name not in self._unloaded:
            wish = self._wishes.of(name)
            missing.update({number: str(error) for number, error in (wish.problems if wish else {}).items()})
            missing.update({number: str(error) for (model, number), error in self._failed.items() if model == name})
        return missing

    async def watch(self, every: float) -> None:
        """Look at the source every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.poll()
            except ModelportError as error:
                _log.warning("looking for models failed: %s", error)
            except OSError as error:
                _log.warning("looking for models failed: %s", error)

    async def poll(self) -> None:
        """One look at the source. What changed since the last look is perhaps still being written: it waits."""
        found = await asyncio.to_thread(self._source)
        before, self._seen = self._seen, _fingerprints(found)
        moving = {key for key, mark in self._seen.items() if before.get(key) != mark and self._tried.get(key) != mark}
        async with self._changing:
            await self.reconcile(found, moving)

    async def reconcile(self, found: Found, moving: set[_Key] | None = None) -> None:
        """Load and unload until what is served is what `found` and the policy say; `moving` versions are left alone."""
        moving = moving or set()
        for key in self._tried.keys() - _fingerprints(found).keys():
            if key not in self._served():
                del self._tried[key]  # what comes back is tried again
                self._failed.pop(key, None)
        if self._wishes.there:
            found = {name: versions for name, versions in found.items() if self._wishes.of(name) is not None}
        plans = {name: self._plan(name, available) for name, available in found.items()}
        for name, available in found.items():
            numbers = plans[name].choose(available)
            if not numbers or any((name, number) not in moving for number in numbers):
                self._expect(name, late=self._wishes.there)
        for name, available in found.items():
            if self._engine.has(name) and name not in self._unloaded:
                await self._reconcile_model(self._engine.model(name), available, plans[name], moving)
        for model in self._engine.models():
            if model.name not in found:
                _log.info("%s is gone: no longer served", model.name)
                self._unload(model, keep=set())
                self._unloaded.pop(model.name, None)
                self._engine.forget(model.name)
                self._plans.forget(model.name)
        self._engine.metrics.set("models_ready", {}, len(self._served()))

    def _plan(self, name: str, available: dict[int, Artifact]) -> Plan:
        wish = self._wishes.of(name)
        return self._plans.of(name, available) if wish is None else self._plans.wished(name, available, wish)

    def _expect(self, name: str, late: bool = False) -> ServedModel:
        if self._engine.has(name):
            return self._engine.model(name)
        model, wish = self._engine.expect(name), self._wishes.of(name)
        model.late = late
        if wish is not None:
            _direct(model, wish)
        return model

    async def _reconcile_model(
        self, model: ServedModel, available: dict[int, Artifact], plan: Plan, moving: set[_Key]
    ) -> None:
        name, chosen = model.name, plan.choose(available)
        wish = self._wishes.of(name)
        if wish is not None and plan.replace == "resources":
            chosen -= wish.warm
        wanted = {number for number in chosen if (name, number) not in moving}
        changed = {number for number in wanted if self._tried.get((name, number)) != available[number].fingerprint}
        if not self._wishes.there:
            model.aliases = plan.aliases
        if changed:
            self._unload(model, keep=model.by_number.keys() - plan.leave_first(model.by_number, chosen, changed))
        for number in sorted(changed) if wish is None else wish.order(changed):
            if not self._wishes.drops(name, number):
                await self._load(model, number, available[number])
        if self._wishes.there:
            self._unload(model, keep=self._wishes.kept(model, plan.replace == "resources"))
            self._tell_failure(model)
            return
        self._unload(model, keep=self._kept(model, available, chosen, moving))
        failed = [self._failed[name, number] for number in sorted(chosen) if (name, number) in self._failed]
        model.failure = failed[-1] if failed else None
        if not chosen:
            there = ", ".join(map(str, sorted(available)))
            model.failure = NotFoundError(f"its versions are {there}; {self._plans.who_chooses(plan)} {plan.versions}")

    def _tell_failure(self, model: ServedModel) -> None:
        """What keeps a model that a registry speaks of from being as it should."""
        wish = self._wishes.of(model.name)
        failed = {number: error for (name, number), error in self._failed.items() if name == model.name}
        model.failure = None if wish is None else wish.failure(failed)

    def _kept(
        self, model: ServedModel, available: dict[int, Artifact], chosen: set[int], moving: set[_Key]
    ) -> set[int]:
        """Which versions stay. What was served goes on until all that replaces it answers, or it is gone itself."""
        ready = model.by_number.keys()
        still = chosen | {number for name, number in moving if name == model.name}
        if not chosen & ready:
            return set(ready)
        settled = {number for number in chosen if (model.name, number) not in moving}
        return still if settled <= ready else still | available.keys()

    def _served(self) -> set[_Key]:
        return {(model.name, number) for model in self._engine.models() for number in model.by_number}

    async def _load(self, model: ServedModel, number: int, artifact: Artifact) -> None:
        """Load one version and switch to it. A failure leaves what is served as it was."""
        self._tried[model.name, number] = artifact.fingerprint
        model.loading = True
        try:
            version = await self._loading.load(model.name, number, artifact)
        except ModelportError as error:
            model.failure = self._failed[model.name, number] = error
            _log.error("%s@%d was not loaded: %s", model.name, number, error)
            self._count(model, "failed")
            if isinstance(error, OutOfResourcesError) and not self._wishes.spares(model.name, number):
                self._make_room()
        else:
            model.failure = None
            self._failed.pop((model.name, number), None)
            replaced = model.add(version)
            if replaced is not None:
                replaced.retire()
            _log.info(
                "%s@%d is ready (%s, %.3f ms, %s)",
                model.name,
                number,
                artifact.path,
                version.cost_ms,
                version.execution,
            )
            self._count(model, "ready")
        finally:
            model.loading = False

    def _make_room(self) -> None:
        """Let go what only waits for a rollback: a version that is wanted found no room, and will be tried again."""
        for model in self._engine.models():
            self._unload(model, keep=model.by_number.keys() - self._wishes.spare(model))

    def _unload(self, model: ServedModel, keep: Collection[int]) -> None:
        for version in model.versions:
            if version.version not in keep:
                model.remove(version.version)
                self._tried.pop((model.name, version.version), None)
                version.retire()
                _log.info("%s@%d is unloaded", model.name, version.version)

    def _count(self, model: ServedModel, outcome: str) -> None:
        self._engine.metrics.add("model_loads", {"model": model.name, "outcome": outcome})
        self._engine.metrics.set("models_ready", {}, len(self._served()))


def _direct(model: ServedModel, wish: Wish) -> None:
    before = model.default
    model.direct(wish.aliases, wish.preferred)
    if model.default is not None and model.default is not before:
        _log.info("%s@%d answers now", model.name, model.default.version)


def _fingerprints(found: Found) -> dict[_Key, Fingerprint]:
    return {(name, number): item.fingerprint for name, versions in found.items() for number, item in versions.items()}
