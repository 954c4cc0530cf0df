"""Asking for jobs, and what they were asked: promotions and evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from modelport.core.errors import InvalidInputError
from modelport.registry.base import Registry
from modelport.registry.jobs import JobRecord
from modelport.registry.records import By
from modelport.release.promotion.evaluating import evaluate_version
from modelport.release.promotion.gates import gates_of
from modelport.release.promotion.promoting import promote
from modelport.release.promotion.wish import EvaluationWish, Progress, Promoted, Wish
from modelport.runtimes.trust import Trust

PROMOTE, EVALUATE = "promote", "evaluate"
_T = TypeVar("_T")
#: What was done by a job, as it is known from the history.
_DONE_BY = ("promoted", "rollout.started")


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What a job of the kind `promote` is asked."""

    wish: Wish
    by: By


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What a job of the kind `evaluate` is asked."""

    wish: EvaluationWish
    by: By


def submit_promotion(registry: Registry, wish: Wish, by: By) -> JobRecord:
    """Ask for a promotion. Raises NotFoundError and InvalidInputError for what can't be, before anything is done."""
    gates_of(wish.gates)
    registry.version(wish.model, wish.version)
    request = msgspec.to_builtins(PromotionRequest(wish, by))
    return registry.submit_job(PROMOTE, f"{wish.model}@{wish.version}", request, by)


def submit_evaluation(registry: Registry, wish: EvaluationWish, by: By) -> JobRecord:
    """Ask for an evaluation. Raises as `submit_promotion`."""
    gates_of(wish.gates)
    for number in (wish.version, wish.compare):
        if number is not None:
            registry.version(wish.model, number)
    request = msgspec.to_builtins(EvaluationRequest(wish, by))
    return registry.submit_job(EVALUATE, f"{wish.model}@{wish.version}", request, by)


def do_job(registry: Registry, job: JobRecord, progress: Progress, trust: Trust) -> dict[str, Any]:
    """Do what the job was asked; gives its result. Raises what that raises, InvalidInputError for an unknown kind."""
    work = _WORK.get(job.kind)
    if work is None:
        raise InvalidInputError(f"this Modelport does no jobs of the kind {job.kind!r}; it does {', '.join(_WORK)}")
    return work(registry, job, progress, trust)


def done_before(registry: Registry, job: JobRecord) -> dict[str, Any] | None:
    """The result of a promotion whose worker vanished when all was done but for saying so; None where it was not.

    Without that, a promotion that was rolled back in the meantime would be made again.
    """
    if job.kind != PROMOTE:
        return None
    asked = _read(job, PromotionRequest)
    for event in registry.history(asked.wish.model):
        if event.at < job.created_at:
            return None
        same = event.version == asked.wish.version and event.subject == asked.wish.alias and event.who == asked.by.who
        if event.kind in _DONE_BY and same:
            rollout = registry.rollout(event.detail["rollout"]) if event.kind == "rollout.started" else None
            before = event.detail.get("before") if rollout is None else rollout.baseline
            made = Promoted(asked.wish.model, asked.wish.version, asked.wish.alias, before, rollout=rollout)
            return dict(msgspec.to_builtins(made))
    return None


def _promote(registry: Registry, job: JobRecord, progress: Progress, trust: Trust) -> dict[str, Any]:
    asked = _read(job, PromotionRequest)
    return dict(msgspec.to_builtins(promote(registry, asked.wish, asked.by, progress, trust)))


def _evaluate(registry: Registry, job: JobRecord, progress: Progress, trust: Trust) -> dict[str, Any]:
    asked = _read(job, EvaluationRequest)
    return dict(msgspec.to_builtins(evaluate_version(registry, asked.wish, asked.by, progress, trust)))


_WORK: dict[str, Callable[[Registry, JobRecord, Progress, Trust], dict[str, Any]]] = {
    PROMOTE: _promote,
    EVALUATE: _evaluate,
}


def _read(job: JobRecord, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(job.request, kind)
    except msgspec.ValidationError as error:
        raise InvalidInputError(
            f"the job {job.id} was asked what this Modelport does not understand: {error}"
        ) from None
