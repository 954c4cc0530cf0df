"""The registry of a server: jobs."""

from __future__ import annotations

from typing import Any

from modelport.client.registry_calls import RegistryCalls
from modelport.registry.jobs import JobRecord, JobState
from modelport.registry.records import By
from modelport.registry.release_port import PAGE

_MAYBE: type[JobRecord | None] = JobRecord | None  # type: ignore[assignment]


class RemoteJobs(RegistryCalls):
    """The part `Jobs` of a registry. Each method does as the port says."""

    def submit_job(self, kind: str, subject: str, request: dict[str, Any], by: By) -> JobRecord:
        """As the port says."""
        body = {"kind": kind, "subject": subject, "request": request, "by": by}
        return self._send(JobRecord, "POST", "/jobs", body)

    def take_job(self, worker: str, lease: float) -> JobRecord | None:
        """As the port says."""
        return self._send(_MAYBE, "POST", "/jobs/take", {"worker": worker, "lease": lease})

    def report_job(self, id_: int, /, worker: str, done: int, total: int, text: str, lease: float) -> bool:
        """As the port says."""
        body = {"worker": worker, "done": done, "total": total, "text": text, "lease": lease}
        return self._send(dict[str, bool], "POST", f"/jobs/{id_}/report", body)["go_on"]

    def finish_job(self, id_: int, /, worker: str, state: JobState, result: dict[str, Any]) -> None:
        """As the port says."""
        self._tell("POST", f"/jobs/{id_}/finish", {"worker": worker, "state": state, "result": result})

    def cancel_job(self, id_: int, /, by: By) -> JobRecord:
        """As the port says."""
        return self._send(JobRecord, "POST", f"/jobs/{id_}/cancel", {"by": by})

    def job(self, id_: int, /) -> JobRecord:
        """As the port says."""
        return self._get(JobRecord, f"/jobs/{id_}")

    def jobs(self, limit: int = PAGE) -> list[JobRecord]:
        """As the port says."""
        return self._get(list[JobRecord], "/jobs", limit=limit)
