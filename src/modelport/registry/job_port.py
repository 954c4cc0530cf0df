"""The part of a registry's port that is about jobs: long work that is asked for here, and done by some server."""

from __future__ import annotations

from typing import Any, Protocol

from modelport.registry.jobs import JobRecord, JobState
from modelport.registry.records import By
from modelport.registry.release_port import PAGE


class Jobs(Protocol):
    """What `Registry` adds for jobs; errors as there. Jobs make no events; what they change does."""

    def submit_job(self, kind: str, subject: str, request: dict[str, Any], by: By) -> JobRecord:
        """Ask for a job. Content that the request names by its sha256 is kept in the store until the job is over."""
        ...

    def take_job(self, worker: str, lease: float) -> JobRecord | None:
        """The oldest job that waits, now running, for `lease` seconds this worker's; None where none waits.

        One whose lease ran out waits again; after ATTEMPTS it is failed instead, and where it was to be cancelled it is
        cancelled.
        """
        ...

    def report_job(self, id_: int, /, worker: str, done: int, total: int, text: str, lease: float) -> bool:
        """Tell how far the job is, and keep it for `lease` seconds more.

        False: stop. It is to be cancelled (then `finish_job` says so), or it is no longer this worker's.
        """
        ...

    def finish_job(self, id_: int, /, worker: str, state: JobState, result: dict[str, Any]) -> None:
        """The job is done, failed or cancelled. Raises ConflictError where it is no longer this worker's."""
        ...

    def cancel_job(self, id_: int, /, by: By) -> JobRecord:
        """Cancel a job that waits, or ask the worker of one that runs to stop. Raises ConflictError if it is over."""
        ...

    def job(self, id_: int, /) -> JobRecord:
        """One job."""
        ...

    def jobs(self, limit: int = PAGE) -> list[JobRecord]:
        """Jobs, newest first."""
        ...
