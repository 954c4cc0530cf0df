"""Promotions, evaluations and their jobs on a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from modelport.client.exchange import Request
from modelport.client.registry_calls import RegistryCalls, model_path
from modelport.core.errors import UnavailableError
from modelport.registry.base import PAGE
from modelport.registry.jobs import JobRecord
from modelport.registry.records import By
from modelport.release.promotion.wish import EvaluationWish, Wish

_T = TypeVar("_T")
#: Seconds between two looks at a job.
_LOOK = 0.25
#: Seconds that a server may be away while its job is followed.
_PATIENCE = 60.0
_OVER = ("done", "failed", "cancelled")


class RemoteReleases(RegistryCalls):
    """Asks `modelport serve` to release versions. `timeout` is in seconds, for each wait. Safe for threads."""

    _asked = "a server with a registry"

    def promote(self, wish: Wish, by: By) -> JobRecord:
        """Ask for a promotion; gives the job. Raises ModelportError."""
        body = {name: value for name, value in msgspec.to_builtins(wish).items() if name != "model"}
        return self._post(JobRecord, f"{_model(wish.model)}/promotions", {**body, "by": by})

    def evaluate(self, wish: EvaluationWish, by: By) -> JobRecord:
        """Ask for an evaluation; gives the job. Raises ModelportError."""
        body = {name: value for name, value in msgspec.to_builtins(wish).items() if name != "model"}
        return self._post(JobRecord, f"{_model(wish.model)}/evaluation-jobs", {**body, "by": by})

    def jobs(self, limit: int = PAGE) -> list[JobRecord]:
        """Jobs, newest first."""
        return self._as(list[JobRecord], Request("GET", f"/api/v1/jobs?limit={limit}"))

    def job(self, number: int) -> JobRecord:
        """One job. Raises NotFoundError."""
        return self._as(JobRecord, Request("GET", f"/api/v1/jobs/{number}"))

    def cancel(self, number: int, by: By) -> JobRecord:
        """Cancel a job. Raises ConflictError where it is over."""
        words = urlencode({"who": by.who, "why": by.why})
        return self._as(JobRecord, Request("DELETE", f"/api/v1/jobs/{number}?{words}"))

    def wait(self, job: JobRecord, told: Callable[[JobRecord], None] = lambda _: None) -> JobRecord:
        """Follow a job until it is over, whatever becomes of it; `told` is given it each time that it is looked at.

        A server may be away for a while: it is started again, or another takes its place.
        """
        seen = time.monotonic()
        while True:
            told(job)
            if job.state in _OVER:
                return job
            time.sleep(_LOOK)
            try:
                job, seen = self.job(job.id), time.monotonic()
            except UnavailableError:
                if time.monotonic() - seen > _PATIENCE:
                    raise

    def _post(self, kind: type[_T], path: str, body: Any) -> _T:
        content = msgspec.json.encode(body)
        return self._as(kind, Request("POST", path, (content,), {"content-type": "application/json"}, retry=False))


def _model(name: str) -> str:
    return f"/api/v1/registry{model_path(name)}"
