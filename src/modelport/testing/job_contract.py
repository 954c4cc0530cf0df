"""The contract of registries: jobs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.registry.base import Registry
from modelport.registry.jobs import ATTEMPTS, JobRecord
from modelport.registry.records import By
from modelport.testing.registry_suite import BY, OpenRegistry, RegistrySuite

LONG, SHORT = 600.0, 0.001


def submit(registry: Registry, subject: str = "fraud@2") -> JobRecord:
    """A job that waits."""
    return registry.submit_job("promote", subject, {"to": 5.5}, BY)


def take(registry: Registry, worker: str, lease: float = LONG) -> JobRecord:
    """The next job, which there has to be."""
    taken = registry.take_job(worker, lease)
    assert taken is not None
    return taken


class JobContract(RegistrySuite):
    """A part of `RegistryContract`."""

    def test_a_job_is_asked_for_taken_and_done(self, open_registry: OpenRegistry) -> None:
        registry = open_registry()
        assert registry.take_job("w1", LONG) is None
        made = submit(registry)
        assert (made.kind, made.subject, made.request, made.state) == ("promote", "fraud@2", {"to": 5.5}, "queued")
        assert (made.created_by, made.attempts, made.cancelling) == ("ann", 0, False)
        taken = take(open_registry(), "w1")
        assert (taken.id, taken.state, taken.attempts) == (made.id, "running", 1)
        assert registry.take_job("w2", LONG) is None
        assert registry.report_job(made.id, "w1", 3, 10, "rows", LONG)
        found = registry.job(made.id)
        assert (found.done, found.total, found.text) == (3, 10, "rows")
        assert not registry.report_job(made.id, "w2", 4, 10, "", LONG)
        with pytest.raises(ConflictError, match="another worker"):
            registry.finish_job(made.id, "w2", "done", {})
        registry.finish_job(made.id, "w1", "done", {"version": 2})
        found = registry.job(made.id)
        assert (found.state, found.result, found.done) == ("done", {"version": 2}, 3)
        assert not registry.report_job(made.id, "w1", 4, 10, "", LONG)
        with pytest.raises(ConflictError, match="it is done"):
            registry.cancel_job(made.id, BY)
        assert registry.head() == 0

    def test_jobs_are_taken_in_order_and_listed_newest_first(self, registry: Registry) -> None:
        made = [submit(registry, f"fraud@{number}").id for number in range(3)]
        assert [take(registry, "w").id for _ in made] == made
        assert [job.id for job in registry.jobs()] == made[::-1]
        assert [job.id for job in registry.jobs(1)] == made[-1:]

    def test_a_job_whose_worker_vanished_is_taken_again_but_not_for_ever(self, registry: Registry) -> None:
        made = submit(registry)
        for attempt in range(ATTEMPTS):
            assert take(registry, f"w{attempt}", SHORT).attempts == attempt + 1
            assert attempt == 0 or not registry.report_job(made.id, f"w{attempt - 1}", 1, 1, "", LONG)
            time.sleep(SHORT * 3)
        assert registry.take_job("last", LONG) is None
        found = registry.job(made.id)
        assert (found.state, found.attempts, "vanished" in found.result["error"]) == ("failed", ATTEMPTS, True)

    def test_a_job_is_cancelled(self, registry: Registry) -> None:
        waiting, running, vanished = submit(registry), submit(registry), submit(registry)
        assert registry.cancel_job(waiting.id, By("bob")).state == "cancelled"
        assert registry.cancel_job(waiting.id, By("bob")).state == "cancelled"
        assert take(registry, "w1").id == running.id
        asked = registry.cancel_job(running.id, By("bob"))
        assert (asked.state, asked.cancelling) == ("running", True)
        assert not registry.report_job(running.id, "w1", 1, 2, "", LONG)
        registry.finish_job(running.id, "w1", "cancelled", {})
        assert take(registry, "w2", SHORT).id == vanished.id
        registry.cancel_job(vanished.id, By("bob"))
        time.sleep(SHORT * 3)
        assert registry.take_job("w3", LONG) is None
        assert {job.state for job in registry.jobs()} == {"cancelled"}

    def test_what_can_not_be_is_refused(self, registry: Registry) -> None:
        made = submit(registry)
        with pytest.raises(InvalidInputError):
            registry.submit_job("", "fraud", {}, BY)
        for worker, lease in (("", LONG), ("w", 0.0), ("w" * 300, LONG)):
            with pytest.raises(InvalidInputError):
                registry.take_job(worker, lease)
        with pytest.raises(ConflictError, match="it is queued"):
            registry.finish_job(made.id, "w", "done", {})
        with pytest.raises(InvalidInputError, match="finished"):
            registry.finish_job(made.id, "w", "queued", {})
        with pytest.raises(NotFoundError, match="no job 99"):
            registry.job(99)
        with pytest.raises(NotFoundError, match="no job 99"):
            registry.cancel_job(99, BY)

    def test_of_workers_at_once_each_gets_another_job(self, open_registry: OpenRegistry) -> None:
        made = [submit(open_registry()).id for _ in range(6)]
        barrier = threading.Barrier(4)

        def work(number: int) -> list[int]:
            registry, taken = open_registry(), []
            barrier.wait(30)
            while job := registry.take_job(f"w{number}", LONG):
                taken.append(job.id)
            return taken

        with ThreadPoolExecutor(4) as pool:
            taken = [id_ for found in pool.map(work, range(4)) for id_ in found]
        assert sorted(taken) == made
