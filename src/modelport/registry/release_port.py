"""The part of a registry's port that is about how versions go out: promotions, rollouts, gates, evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from modelport.registry.records import By
from modelport.registry.releases import (
    PRODUCTION,
    Desired,
    EvaluationRecord,
    GateRules,
    Observation,
    Outcome,
    OutcomeFigures,
    RolloutChange,
    RolloutPlan,
    RolloutRecord,
    Verdict,
)

#: As many as a list gives where nobody says how many.
PAGE = 100


class Releases(Protocol):
    """What `Registry` adds for releases; errors as there. Changes stand in the history where it says so."""

    def head(self) -> int:
        """The number of the last event, 0 where there is none: by far the cheapest question."""
        ...

    def desired(self) -> Desired:
        """What servers should serve now."""
        ...

    def promote(
        self,
        name: str,
        version: int,
        by: By,
        alias: str = PRODUCTION,
        expect: int | None = None,
        verdicts: tuple[Verdict, ...] = (),
        forced: bool = False,
    ) -> None:
        """Let an alias name a version that the gates let pass, or that was `forced`.

        Event `promoted`, with the verdicts; none where the alias names that version already. An open rollout of the
        alias is ended: `promoted` where the version is its candidate, else `ended` as superseded (`set_alias` does the
        same). Raises ConflictError where the alias does not name `expect` now (0: no version).
        """
        ...

    def rollback(self, name: str, by: By, alias: str = PRODUCTION) -> int:
        """Let an alias name what it named before; gives that version.

        What was named is a stack: versions 1, 2, 3 promoted, then rollback gives 2, then 1; 3 promoted again, then it
        gives 1. An open rollout of the alias is aborted instead, and the version given is its baseline, which the alias
        names still. Event `rolled_back`, or `rollout.aborted`. Raises ConflictError where there is nothing before.
        """
        ...

    def start_rollout(self, name: str, plan: RolloutPlan, by: By) -> RolloutRecord:
        """Begin a rollout at its first step. Event `rollout.started`.

        Raises ConflictError where one is open for the alias, or the alias names nothing, or names the candidate;
        InvalidInputError for a plan that can't be.
        """
        ...

    def rollout(self, id_: int, /) -> RolloutRecord:
        """One rollout."""
        ...

    def rollouts(self, name: str | None = None, limit: int = PAGE) -> list[RolloutRecord]:
        """Rollouts of a model (None: of all), newest first."""
        ...

    def change_rollout(self, id_: int, /, change: RolloutChange, by: By) -> RolloutRecord:
        """Change a rollout that is as the change expects it. To `promoted`: the alias names the candidate from then on.

        Event `rollout.advanced` (another step), `.paused`, `.resumed`, `.aborted`, `.ended` or `.promoted`; the last
        one is followed by `promoted`, for the alias. A change to what it is already keeps the figures, without event.
        Raises ConflictError where it is not as expected, or is over.
        """
        ...

    def observe(self, observations: Sequence[Observation]) -> None:
        """Keep what servers counted, in place of what each said before of that rollout and version. No event."""
        ...

    def observations(self, rollout: int) -> list[Observation]:
        """What each server counted for each version."""
        ...

    def give_feedback(self, name: str, version: int, rollout: int | None, outcomes: Sequence[Outcome]) -> int:
        """Keep how requests to a version turned out; gives how many. A request's outcome replaces the one before it.

        No event. Raises InvalidInputError for an outcome that is no finite number.
        """
        ...

    def outcomes(self, name: str, rollout: int | None = None) -> list[OutcomeFigures]:
        """The outcomes of each version that has some, in all or in one rollout, by version."""
        ...

    def set_gates(self, name: str, gates: GateRules | None, by: By) -> None:
        """Say what versions of a model must hold to; None takes the gates away. Event `gates.set`, `gates.removed`.

        Who and when are those of the change. Raises ConflictError where the data is not in the store.
        """
        ...

    def gates(self, name: str) -> GateRules | None:
        """What versions of a model must hold to."""
        ...

    def record_evaluation(
        self,
        name: str,
        version: int,
        document: dict[str, Any],
        metrics: Mapping[str, float],
        dataset: str,
        dataset_digest: str,
        by: By,
    ) -> EvaluationRecord:
        """Keep an evaluation, metrics that are no finite number left out. Event `evaluated`.

        It stays when its version is deleted.
        """
        ...

    def evaluations(self, name: str, version: int | None = None, limit: int = PAGE) -> list[EvaluationRecord]:
        """Evaluations of a model, or of one version, newest first, without their documents."""
        ...

    def evaluation(self, id_: int, /) -> EvaluationRecord:
        """One evaluation, with its document."""
        ...
