"""The registry of a server: how versions go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelport.client.registry_calls import RegistryCalls, model_path
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

_GATES: type[GateRules | None] = GateRules | None  # type: ignore[assignment]


class RemoteReleases(RegistryCalls):
    """The part `Releases` of a registry. Each method does as the port says."""

    def head(self) -> int:
        """As the port says."""
        return self._get(dict[str, int], "/head")["head"]

    def desired(self) -> Desired:
        """As the port says."""
        return self._get(Desired, "/desired")

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
        body = {"version": version, "by": by, "alias": alias, "expect": expect, "verdicts": verdicts, "forced": forced}
        self._tell("POST", f"{model_path(name)}/alias-promotions", body)

    def rollback(self, name: str, by: By, alias: str = PRODUCTION) -> int:
        """As the port says."""
        return self._send(dict[str, int], "POST", f"{model_path(name)}/rollback", {"by": by, "alias": alias})["version"]

    def start_rollout(self, name: str, plan: RolloutPlan, by: By) -> RolloutRecord:
        """As the port says."""
        return self._send(RolloutRecord, "POST", f"{model_path(name)}/rollouts", {"plan": plan, "by": by})

    def rollout(self, id_: int, /) -> RolloutRecord:
        """As the port says."""
        return self._get(RolloutRecord, f"/rollouts/{id_}")

    def rollouts(self, name: str | None = None, limit: int = PAGE) -> list[RolloutRecord]:
        """As the port says."""
        below = "" if name is None else model_path(name)
        return self._get(list[RolloutRecord], f"{below}/rollouts", limit=limit)

    def change_rollout(self, id_: int, /, change: RolloutChange, by: By) -> RolloutRecord:
        """As the port says."""
        return self._send(RolloutRecord, "PATCH", f"/rollouts/{id_}", {"change": change, "by": by})

    def observe(self, observations: Sequence[Observation]) -> None:
        """As the port says."""
        self._tell("POST", "/observations", {"observations": list(observations)})

    def observations(self, rollout: int) -> list[Observation]:
        """As the port says."""
        return self._get(list[Observation], f"/rollouts/{rollout}/observations")

    def give_feedback(self, name: str, version: int, rollout: int | None, outcomes: Sequence[Outcome]) -> int:
        """As the port says."""
        body = {"version": version, "rollout": rollout, "outcomes": list(outcomes)}
        return self._send(dict[str, int], "POST", f"{model_path(name)}/outcomes", body)["kept"]

    def outcomes(self, name: str, rollout: int | None = None) -> list[OutcomeFigures]:
        """As the port says."""
        return self._get(list[OutcomeFigures], f"{model_path(name)}/outcomes", rollout=rollout)

    def set_gates(self, name: str, gates: GateRules | None, by: By) -> None:
        """As the port says."""
        self._tell("PUT", f"{model_path(name)}/gates", {"gates": gates, "by": by})

    def gates(self, name: str) -> GateRules | None:
        """As the port says."""
        return self._get(_GATES, f"{model_path(name)}/gates")

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
        body = {"version": version, "document": document, "metrics": dict(metrics), "by": by}
        body |= {"dataset": dataset, "dataset_digest": dataset_digest}
        return self._send(EvaluationRecord, "POST", f"{model_path(name)}/evaluations", body)

    def evaluations(self, name: str, version: int | None = None, limit: int = PAGE) -> list[EvaluationRecord]:
        """As the port says."""
        return self._get(list[EvaluationRecord], f"{model_path(name)}/evaluations", version=version, limit=limit)

    def evaluation(self, id_: int, /) -> EvaluationRecord:
        """As the port says."""
        return self._get(EvaluationRecord, f"/evaluations/{id_}")
