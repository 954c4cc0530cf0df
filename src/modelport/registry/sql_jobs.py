"""The registry in a database: jobs."""

from __future__ import annotations

from typing import Any

from modelport.db.database import Database
from modelport.registry import job_queue
from modelport.registry.asked import asked_id, page
from modelport.registry.jobs import JobRecord, JobState
from modelport.registry.records import By
from modelport.registry.release_port import PAGE


class SqlJobs:
    """The part `Jobs` of a registry. Each method does as the port says."""

    _database: Database

    def submit_job(self, kind: str, subject: str, request: dict[str, Any], by: By) -> JobRecord:
        """As the port says."""
        with self._database.write() as connection:
            return job_queue.find_job(connection, job_queue.submit(connection, kind, subject, request, by))

    def take_job(self, worker: str, lease: float) -> JobRecord | None:
        """As the port says. Who asks in vain holds up no writer."""
        job_queue.check_worker(worker, lease)
        with self._database.read() as connection:
            if not job_queue.waits(connection):
                return None
        with self._database.write() as connection:
            return job_queue.take(connection, worker, lease)

    def report_job(self, id_: int, /, worker: str, done: int, total: int, text: str, lease: float) -> bool:
        """As the port says."""
        job_queue.check_worker(worker, lease)
        with self._database.write() as connection:
            return job_queue.report(connection, asked_id(id_), worker, (done, total), text, lease)

    def finish_job(self, id_: int, /, worker: str, state: JobState, result: dict[str, Any]) -> None:
        """As the port says."""
        with self._database.write() as connection:
            job_queue.finish(connection, asked_id(id_), worker, state, result)

    def cancel_job(self, id_: int, /, by: By) -> JobRecord:
        """As the port says."""
        with self._database.write() as connection:
            job_queue.cancel(connection, asked_id(id_), by)
            return job_queue.find_job(connection, asked_id(id_))

    def job(self, id_: int, /) -> JobRecord:
        """As the port says."""
        with self._database.read() as connection:
            return job_queue.find_job(connection, asked_id(id_))

    def jobs(self, limit: int = PAGE) -> list[JobRecord]:
        """As the port says."""
        with self._database.read() as connection:
            return job_queue.list_jobs(connection, page(limit))
