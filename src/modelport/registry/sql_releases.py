"""The registry in a database: how versions go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelport.artifacts.base import ArtifactStore
from modelport.db.database import Database
from modelport.registry import counting, desire, evaluations, gates, moves, rollouts
from modelport.registry.asked import asked_id, asked_name, asked_number, page
from modelport.registry.reading import find_model
from modelport.registry.records import By
from modelport.registry.release_port import PAGE
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


class SqlReleases:
    """The part `Releases` of a registry. Each method does as the port says."""

    _database: Database
    _manifests: desire.Manifests
    store: ArtifactStore

    def head(self) -> int:
        """As the port says."""
        with self._database.read() as connection:
            return desire.head(connection)

    def desired(self) -> Desired:
        """As the port says."""
        with self._database.read() as connection:
            found, self._manifests = desire.desired(connection, self._manifests)
        return found

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
        """As the port says."""
        name, number = asked_name(name), asked_number(version)
        with self._database.write() as connection:
            moves.promote(connection, name, number, by, alias, expect, verdicts, forced=forced)

    def rollback(self, name: str, by: By, alias: str = PRODUCTION) -> int:
        """As the port says."""
        with self._database.write() as connection:
            return moves.rollback(connection, asked_name(name), by, alias)

    def start_rollout(self, name: str, plan: RolloutPlan, by: By) -> RolloutRecord:
        """As the port says."""
        with self._database.write() as connection:
            made = rollouts.start(connection, asked_name(name), plan, by)
            return rollouts.find_rollout(connection, made)

    def rollout(self, id_: int, /) -> RolloutRecord:
        """As the port says."""
        with self._database.read() as connection:
            return rollouts.find_rollout(connection, asked_id(id_))

    def rollouts(self, name: str | None = None, limit: int = PAGE) -> list[RolloutRecord]:
        """As the port says."""
        with self._database.read() as connection:
            model = None if name is None else find_model(connection, asked_name(name))
            return rollouts.list_rollouts(connection, model, page(limit))

    def change_rollout(self, id_: int, /, change: RolloutChange, by: By) -> RolloutRecord:
        """As the port says."""
        with self._database.write() as connection:
            rollouts.change(connection, asked_id(id_), change, by)
            return rollouts.find_rollout(connection, asked_id(id_))

    def observe(self, observations: Sequence[Observation]) -> None:
        """As the port says."""
        counting.check_observations(observations)
        if observations:
            with self._database.write() as connection:
                counting.observe(connection, observations)

    def observations(self, rollout: int) -> list[Observation]:
        """As the port says."""
        with self._database.read() as connection:
            return counting.list_observations(connection, asked_id(rollout))

    def give_feedback(self, name: str, version: int, rollout: int | None, outcomes: Sequence[Outcome]) -> int:
        """As the port says."""
        counting.check_outcomes(outcomes)
        part_of = None if rollout is None else asked_id(rollout)
        with self._database.write() as connection:
            return counting.give_feedback(connection, asked_name(name), asked_number(version), part_of, outcomes)

    def outcomes(self, name: str, rollout: int | None = None) -> list[OutcomeFigures]:
        """As the port says."""
        with self._database.read() as connection:
            model = find_model(connection, asked_name(name))
            return counting.outcome_figures(connection, model, None if rollout is None else asked_id(rollout))

    def set_gates(self, name: str, gates_: GateRules | None, by: By) -> None:
        """As the port says."""
        if gates_ is not None:
            gates.check_gates(gates_)
        with self._database.write() as connection:
            gates.set_gates(connection, self.store, asked_name(name), gates_, by)

    def gates(self, name: str) -> GateRules | None:
        """As the port says."""
        with self._database.read() as connection:
            return gates.find_gates(connection, find_model(connection, asked_name(name)))

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
        """As the port says."""
        name, number, data = asked_name(name), asked_number(version), (dataset, dataset_digest)
        with self._database.write() as connection:
            made = evaluations.record_evaluation(connection, name, number, document, metrics, data, by)
            return evaluations.find_evaluation(connection, made)

    def evaluations(self, name: str, version: int | None = None, limit: int = PAGE) -> list[EvaluationRecord]:
        """As the port says."""
        with self._database.read() as connection:
            model = find_model(connection, asked_name(name))
            number = None if version is None else asked_number(version)
            return evaluations.list_evaluations(connection, model, number, page(limit))

    def evaluation(self, id_: int, /) -> EvaluationRecord:
        """As the port says."""
        with self._database.read() as connection:
            return evaluations.find_evaluation(connection, asked_id(id_))
