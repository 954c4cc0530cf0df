"""The engine: finds the version that a request means, and runs it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from modelport.core.deadline import Deadline
from modelport.core.errors import ModelportError, NotFoundError, UnavailableError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.nearest import did_you_mean
from modelport.engine.cache import ResponseCache
from modelport.engine.execution import run_now
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.requests import RequestLogs
from modelport.engine.rollouts.rollouts import Rollouts
from modelport.engine.rollouts.split import Body, Header
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.scheduler import Scheduler
from modelport.engine.served import Done, ServedModel, ServedVersion
from modelport.engine.settings import EngineSettings
from modelport.engine.streaming import Channel
from modelport.engine.tick import Tick
from modelport.runtimes.trust import parse_trust

_STARTING = "the server is starting and does not know its models yet; try again in a moment"
#: The states in which there is nothing to wait for: what was unloaded on purpose is not missed.
_SETTLED = ("ready", "unloaded")


class Engine:
    """All that is served by this process. Its methods are called on the event loop's thread."""

    def __init__(
        self, settings: EngineSettings | None = None, metrics: Metrics | None = None, folder: Path | None = None
    ) -> None:
        """`folder` is shared by the server's workers; None where there is one process."""
        self.settings = settings or EngineSettings()
        self.metrics = metrics or Metrics()
        self.scheduler = Scheduler(self.settings)
        self.cache = ResponseCache(self.settings.cache_mb * 1_000_000, self.metrics)
        self.tick = Tick(self.settings.inline_ms, self.settings.tick_requests)
        self.folder = folder
        self.trust = parse_trust([self.settings.trust], [self.settings.trust_globals])
        self._models: dict[str, ServedModel] = {}
        self.rollouts = Rollouts[Any](self.submit)
        self.splits = self.rollouts.splits
        log = os.path.expanduser(self.settings.request_log or "~/.modelport/requests")  # never raises
        self.requests = RequestLogs(Path(log).absolute(), self.settings.log_requests, self.metrics)
        self.starting = False
        self.draining = False

    def models(self) -> list[ServedModel]:
        """Every model by name, ready or not."""
        return [self._models[name] for name in sorted(self._models)]

    def has(self, name: str) -> bool:
        """Whether a model of that name is served, ready or not."""
        return name in self._models

    def model(self, name: str) -> ServedModel:
        """The model of that name. Raises NotFoundError with the nearest right name."""
        model = self._models.get(name)
        if model is None:
            raise self._unknown(name)
        return model

    def find(self, name: str | None, version: int | str | None = None) -> ServedVersion:
        """The version that answers for `name` now; None means the only model. A version may be meant by an alias.

        Raises NotFoundError, UnknownAliasError or UnavailableError.
        """
        model = self._models.get(name) if name is not None else self._only()
        if model is None:
            raise self._unknown(name or "")
        found = model.default if version is None else model.by_number.get(version)  # type: ignore[arg-type]
        if found is None:
            number = model.number(version)
            found = None if number is None else model.by_number.get(number)
        if found is None:
            self._refuse(model, number)
        assert found is not None
        return found

    def choose(self, served: ServedVersion, asked: int | str | None, header: Header, body: Body) -> Ticket | None:
        """Who answers a request for which `served` was found, where its model has a rollout; None where it has none.

        To be asked only where `splits` is not empty. `asked` is the version or alias that the request names, `header`
        gives its headers (or metadata) by lower-case name, `body` are its bytes.
        """
        split = self.splits.get(served.model)
        return None if split is None else split.take(self._models[served.model], served, asked, header, body)

    def submit(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """Run a request that fits the version's signature, and call `done` with its response or its error.

        `done` is called on the event loop's thread, perhaps before this returns.
        """
        if served.special:
            self._prepare(served, request)
            if served.front is not None:
                served.front(served, request, done)
                return
        self.run(served, request, done)

    def submit_alone(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """As `submit`, where no other request can come in this pass of the event loop: nothing is waited for."""
        if self.tick.takes(served) and not served.waiting and _size(request) <= self.settings.inline_bytes:
            done(self.tick.run_alone(served, request))
        else:
            self.submit(served, request, done)

    def run(self, served: ServedVersion, request: InferenceRequest, done: Done) -> None:
        """`submit`, behind what stands before the version: a cache, say."""
        execution = served.execution
        if execution == "tick" or execution == "inline":  # noqa: PLR1714 - on the hot path, half the cost of a tuple
            size = _size(request)
            if size > self.settings.inline_bytes and size > served.proven_bytes:
                self.scheduler.submit(served, request, done)
            elif execution == "tick" and size <= self.settings.inline_bytes:
                self.tick.submit(served, request, done)
            else:
                done(run_now(served, request, self.settings.inline_ms))
        else:
            self.scheduler.submit(served, request, done)

    async def stream(self, served: ServedVersion, request: InferenceRequest) -> AsyncGenerator[InferenceResponse, None]:
        """All responses to a request: several from a model that streams, one from any other. Raises its ModelportError.

        A reader that stops early ends the work.
        """
        if not served.streams:
            yield await self.infer(served, request)
            return
        if served.special:
            self._prepare(served, request)
        channel = Channel(request)
        self.scheduler.submit(served, request, channel.end, channel)
        async with aclosing(channel.read()) as responses:
            async for response in responses:
                yield response

    def _prepare(self, served: ServedVersion, request: InferenceRequest) -> None:
        """What the model's options say about requests that do not say it themselves."""
        options = served.options
        seconds = options.timeout_seconds or self.settings.request_seconds
        if seconds and request.deadline is None:
            request.deadline = Deadline.after(seconds)
        if options.priority == "bulk":
            request.priority = 1

    async def infer(self, served: ServedVersion, request: InferenceRequest) -> InferenceResponse:
        """`submit`, awaited. Raises the request's ModelportError."""
        future: asyncio.Future[InferenceResponse] = asyncio.get_running_loop().create_future()

        def done(outcome: InferenceResponse | ModelportError) -> None:
            if future.done():
                return
            if isinstance(outcome, ModelportError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(served, request, done)
        return await future

    @property
    def ready(self) -> bool:
        """Whether every model that should be served answers, but for those that a registry added meanwhile."""
        if self.starting or self.draining:
            return False
        return all(model.late or model.state in _SETTLED for model in self._models.values())

    def expect(self, name: str) -> ServedModel:
        """The model of that name, which is served from now on: `loading` until a version is added."""
        return self._models.setdefault(name, ServedModel(name))

    def forget(self, name: str) -> None:
        """Serve a model no longer. Its versions are removed first."""
        self._models.pop(name, None)

    def close(self) -> None:
        """Stop the scheduler's threads and close every model."""
        self.rollouts.close()
        self.scheduler.close()
        for model in self._models.values():
            for version in model.versions:
                version.retire()
        self._models.clear()
        self.requests.close()

    def _only(self) -> ServedModel:
        if len(self._models) == 1:
            return next(iter(self._models.values()))
        if self.starting:
            raise UnavailableError(_STARTING)
        chosen = self.settings.default_model
        if chosen:
            return self.model(chosen)
        names = ", ".join(sorted(self._models)) or "none"
        raise NotFoundError(f"this path needs exactly one served model; served are: {names}; say /models/NAME/predict")

    def _unknown(self, name: str) -> ModelportError:
        if self.starting:
            return UnavailableError(_STARTING)
        names = ", ".join(sorted(self._models)[:10]) or "none"
        return NotFoundError(
            f"no model {name[:200]!r} is served{did_you_mean(name, self._models)}; served are: {names}"
        )

    def _refuse(self, model: ServedModel, version: int | None) -> None:
        ready = ", ".join(str(item.version) for item in model.versions) or "none"
        if version is not None and model.state == "ready":
            if model.preferred is not None and version in model.aliases.values():
                raise UnavailableError(f"version {version} of {model.name!r} is not ready yet; ready are: {ready}")
            raise NotFoundError(f"model {model.name!r} has no version {version}; ready are: {ready}")
        if version is None and model.preferred == 0:
            raise NotFoundError(
                f"nothing is in production of {model.name!r}: promote a version of it, or name one; ready are: {ready}"
            )
        if model.state == "unloaded":
            raise UnavailableError(
                f"model {model.name!r} is unloaded; POST /v2/repository/models/{model.name}/load loads it"
            )
        if model.state == "failed":
            raise UnavailableError(f"model {model.name!r} failed to load: {model.error}")
        raise UnavailableError(f"model {model.name!r} is loading; try again in a moment")


def _size(request: InferenceRequest) -> int:
    """Bytes of input: on few of them a model that was measured as cheap is cheap too, on many it has to prove it."""
    size = 0
    for array in request.inputs.values():
        size += array.nbytes
    return size
