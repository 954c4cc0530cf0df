"""Long work that is asked for and done by some server: jobs, as they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

#: How often a job is begun where its workers vanish, before it is given up.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job. `done` of `total` is its progress, `text` what it is at; `cancelling`: it was asked to stop.

    `request` and `result` are documents that only the kind of job knows. Times are ISO 8601, UTC.
    """

    id: int
    kind: str
    subject: str
    request: dict[str, Any]
    state: JobState
    done: int
    total: int
    text: str
    result: dict[str, Any]
    created_at: str
    created_by: str
    changed_at: str
    cancelling: bool
    attempts: int
