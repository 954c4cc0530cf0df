"""`/api/v1/registry`: models, versions, aliases, and their history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response

from modelport.artifacts.base import ArtifactStore
from modelport.core.errors import InvalidInputError, TooLargeError
from modelport.registry.base import PAGE, Registry
from modelport.registry.records import By, NewVersion
from modelport.registry.references import parse_selector

_T = TypeVar("_T")
#: Largest body but for parts of uploads: a manifest of many files.
_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True)
class Push:
    """The body of a push."""

    version: NewVersion
    by: By


@dataclass(frozen=True, slots=True)
class Naming:
    """The body of an alias's change; `version` None takes the alias away."""

    by: By
    version: int | None = None
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """The body of a change of tags (None removes one) and description of a model, or of one of its versions."""

    by: By
    version: int | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    description: str | None = None


class Opened:
    """The registry, opened when it is first asked for; a worker opens one of its own after it was forked."""

    def __init__(self, make: Callable[[], Registry]) -> None:
        self._make, self._lock = make, Lock()
        self._registry: Registry | None = None

    def __call__(self) -> Registry:
        """The registry. Raises what opening it raises, each time anew."""
        with self._lock:
            if self._registry is None:
                self._registry = self._make()
            return self._registry

    @property
    def store(self) -> ArtifactStore:
        """Its store."""
        return self().store  # type: ignore[return-value]


def registry_router(opened: Opened) -> APIRouter:
    """Reading and changing the registry."""
    router = APIRouter(prefix="/api/v1/registry", tags=["registry"])
    _reads(router, opened)
    _history(router, opened)
    _changes(router, opened)
    _deletions(router, opened)
    return router


def _reads(router: APIRouter, opened: Opened) -> None:
    @router.get("/models", summary="All models, by name")
    def models(after: str = "", limit: int = PAGE) -> Response:
        return reply(opened().models(after, limit))

    @router.get("/models/{model}", summary="One model")
    def model(model: str) -> Response:
        return reply(opened().model(model))

    @router.get("/models/{model}/versions", summary="Its versions, newest first")
    def versions(model: str, before: int | None = None, limit: int = PAGE) -> Response:
        return reply(opened().versions(model, before, limit))

    @router.get("/models/{model}/versions/{version}", summary="One version (a number, an alias or latest)")
    def version(model: str, version: str) -> Response:
        return reply(opened().version(model, parse_selector(version)))


def _history(router: APIRouter, opened: Opened) -> None:
    @router.get("/history", summary="What happened, newest first")
    def history(model: str | None = None, before: int | None = None, limit: int = PAGE) -> Response:
        return reply(opened().history(model, before, limit))

    @router.get("/models/{model}/aliases", summary="Which versions the aliases named at a moment")
    def aliases(model: str, at: str) -> Response:
        return reply(opened().aliases_at(model, at))

    @router.get("/verify", summary="Verify the whole history")
    def verify(expect: str = "") -> Response:
        return reply(opened().verify(expect))


def _changes(router: APIRouter, opened: Opened) -> None:
    @router.post("/models/{model}/versions", summary="Push a version whose files were sent", status_code=201)
    async def push(model: str, request: Request) -> Response:
        body = await body_as(request, Push)
        made = await asyncio.to_thread(lambda: opened().push(model, body.version, body.by))
        return reply(made, 201)

    @router.put("/models/{model}/aliases/{alias}", summary="Let an alias name a version, or nothing")
    async def alias(model: str, alias: str, request: Request) -> Response:
        body = await body_as(request, Naming)
        await asyncio.to_thread(_name, opened, model, alias, body)
        return Response(status_code=204)

    @router.patch("/models/{model}", summary="Change tags and description of a model or a version")
    async def words(model: str, request: Request) -> Response:
        body = await body_as(request, Words)
        await asyncio.to_thread(_say, opened, model, body)
        return Response(status_code=204)


def _deletions(router: APIRouter, opened: Opened) -> None:
    @router.delete("/models/{model}", summary="Delete a model with all its versions")
    def delete_model(model: str, who: str = "", why: str = "") -> Response:
        opened().delete_model(model, By(who, why))
        return Response(status_code=204)

    @router.delete("/models/{model}/versions/{version}", summary="Delete a version")
    def delete_version(model: str, version: int, who: str = "", why: str = "") -> Response:
        opened().delete_version(model, version, By(who, why))
        return Response(status_code=204)


def reply(value: Any, status: int = 200) -> Response:
    """Records as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def body_as(request: Request, kind: type[_T]) -> _T:
    """The JSON body as a value. Raises InvalidInputError naming what does not fit, TooLargeError.

    It has to be called JSON: a page of another site can send a form or a text from a browser, but that only if it may.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise InvalidInputError(f"the body's content-type is {media[:80] or 'not said'}: send application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise TooLargeError(f"the body is larger than {_LARGEST} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"the body: {error}") from None


def _name(opened: Opened, model: str, alias: str, body: Naming) -> None:
    if body.version is None:
        opened().remove_alias(model, alias, body.by, body.expect)
    else:
        opened().set_alias(model, alias, body.version, body.by, body.expect)


def _say(opened: Opened, model: str, body: Words) -> None:
    if body.tags:
        opened().set_tags(model, body.version, body.tags, body.by)
    if body.description is not None:
        opened().describe(model, body.version, body.description, body.by)
