"""How versions go out: rollouts, what is counted of them, gates, evaluations, and what servers should serve.

Plain values, the same from a database and over HTTP. Times are ISO 8601, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from modelport.artifacts.manifest import Manifest

RolloutKind = Literal["canary", "shadow", "ab"]
RolloutState = Literal["running", "paused", "promoted", "aborted", "ended"]

#: What a server that follows the registry answers with where a request names no version.
PRODUCTION = "production"
#: The states of a rollout that can still change, and whose versions are in use.
OPEN: tuple[RolloutState, ...] = ("running", "paused")


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What is asked for.

    `steps` are per cent of the traffic that goes to the candidate (shadow: is mirrored to it), rising, 0 < x <= 100,
    each for `every` seconds. canary: after the last step's time, if it is 100, the candidate is promoted; otherwise it
    stays there. `abort_if` is a rule such as "error_rate > 1% or p99 > 2x or disagreement > 2%", judged once the
    candidate had `min_requests`. `key` is the request header (gRPC: the metadata) whose value makes a choice stick;
    where it is empty, the x-routing-key header, else a hash of the request's bytes.
    """

    candidate: int
    kind: RolloutKind = "canary"
    steps: tuple[float, ...] = (5.0,)
    every: float = 600.0
    abort_if: str = ""
    key: str = ""
    alias: str = PRODUCTION
    min_requests: int = 50


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """A rollout. `percent` is plan.steps[step]; `why` is why it was started, `reason` why it is no longer running.

    `figures` are what the last decision was made on. While it is open, its alias names the baseline.
    """

    id: int
    model: str
    alias: str
    baseline: int
    candidate: int
    plan: RolloutPlan
    state: RolloutState
    step: int
    percent: float
    step_since: str
    created_at: str
    created_by: str
    changed_at: str
    why: str
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether it can still change."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """A change of a rollout. None: whatever it is (`expect_…`), or as it is (the rest)."""

    expect_state: RolloutState | None = None
    expect_step: int | None = None
    state: RolloutState | None = None
    step: int | None = None
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one server counted for one side of a rollout since the rollout began there: totals, only growing.

    `errors` are not the client's own bad input. `latency` are counts per bucket, as the engine's metrics have them.
    `dropped` are mirrored requests that were not run, for want of time.
    """

    rollout: int
    server: str
    version: int
    requests: int
    errors: int
    latency: tuple[int, ...]
    compared: int = 0
    disagreed: int = 0
    dropped: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request turned out: 0 or 1, or any number. `note` is for people."""

    request_id: str
    outcome: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeFigures:
    """The outcomes of one version: how many, their mean, and their variance (over n - 1; 0 for a single one)."""

    version: int
    count: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class GateRules:
    """What a version must hold to before it is promoted.

    `data` is the sha256 of the labelled data in the artifact store, `data_name` what its file was called, `label` the
    column that has the truth.
    """

    rules: tuple[str, ...]
    data: str = ""
    data_name: str = ""
    label: str = ""
    changed_at: str = ""
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate said."""

    gate: str
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """An evaluation of a version. `document` is there where one evaluation was asked for, and not in lists."""

    id: int
    model: str
    version: int
    dataset: str
    dataset_digest: str
    metrics: dict[str, float]
    created_at: str
    created_by: str
    document: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DesiredModel:
    """What should be loaded of one model.

    `versions` has the manifest of each version that an alias, an open rollout or `warm` names. `warm` is what
    `production` named before (the newest one, or none), so that going back takes no time.
    """

    name: str
    aliases: dict[str, int]
    versions: dict[int, Manifest]
    warm: tuple[int, ...]
    rollout: RolloutRecord | None


@dataclass(frozen=True, slots=True)
class Desired:
    """What should be served, as of the event `head`: models that have an alias or an open rollout, by name."""

    head: int
    models: tuple[DesiredModel, ...]
