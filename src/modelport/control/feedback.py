"""How requests turned out, told by callers; and how a rollout stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from modelport.control.registry import body_as, reply
from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.core.request_id import RequestId, parse_request_id
from modelport.registry.base import Registry
from modelport.registry.releases import Outcome
from modelport.release.conducting.reporting import report

#: Outcomes in one request.
_MOST = 10_000
_ONE_OR_MORE: Any = Outcome | list[Outcome]


@dataclass(frozen=True, slots=True)
class Given:
    """What was kept: how many outcomes."""

    kept: int


def feedback_router(opened: Callable[[], Registry]) -> APIRouter:
    """`POST /models/{model}/feedback`, and the report of a rollout."""
    router = APIRouter(tags=["rollouts"])

    @router.post("/models/{model}/feedback", summary="Report how requests turned out, by their x-request-id")
    async def feedback(model: str, request: Request) -> Response:
        body = await body_as(request, _ONE_OR_MORE)
        outcomes: Sequence[Outcome] = [body] if isinstance(body, Outcome) else body
        return reply(Given(await asyncio.to_thread(_give, opened, model, outcomes)))

    @router.get("/api/v1/registry/rollouts/{rollout}/report", summary="How a rollout stands")
    def rollout_report(rollout: int) -> Response:
        return reply(report(opened(), rollout))

    return router


def _give(opened: Callable[[], Registry], model: str, outcomes: Sequence[Outcome]) -> int:
    """Keep outcomes, all or (where an id can't be one of the model's) none."""
    if len(outcomes) > _MOST:
        raise InvalidInputError(f"{len(outcomes)} outcomes in one request are too many; send at most {_MOST}")
    registry = opened()
    grouped: dict[tuple[int, int], list[Outcome]] = {}
    for outcome in outcomes:
        id_ = parse_request_id(outcome.request_id)
        grouped.setdefault((id_.version, id_.rollout), []).append(outcome)
    for (version, rollout), group in grouped.items():
        _check(registry, model, version, rollout, parse_request_id(group[0].request_id))
    return sum(
        registry.give_feedback(model, version, rollout or None, group) for (version, rollout), group in grouped.items()
    )


def _check(registry: Registry, model: str, version: int, rollout: int, id_: RequestId) -> None:
    """Raise NotFoundError or InvalidInputError for an id that no answer of this model has."""
    if not rollout:
        registry.model(model)
        return
    try:
        found = registry.rollout(rollout)
    except NotFoundError:
        raise NotFoundError(f"no answer has the id {str(id_)!r}: there is no rollout {rollout}") from None
    if found.model != model:
        raise InvalidInputError(f"the id {str(id_)!r} is that of an answer of {found.model!r}, not of {model[:200]!r}")
    if version not in (found.baseline, found.candidate):
        sides = f"{found.baseline} and {found.candidate}"
        raise InvalidInputError(f"no answer has the id {str(id_)!r}: rollout {rollout} is of the versions {sides}")
