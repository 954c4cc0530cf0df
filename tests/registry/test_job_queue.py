"""The queue of jobs beyond what its contract says: what is kept of it."""

from modelport.artifacts.local import LocalStore
from modelport.db.opening import open_database
from modelport.registry import job_queue
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry

BY = By("ann")


def test_old_jobs_go_when_they_are_over_and_not_before(new_database, tmp_path, closing, monkeypatch):
    monkeypatch.setattr(job_queue, "_KEPT", 3)
    registry = closing(SqlRegistry(open_database(new_database), LocalStore(tmp_path / "store")))
    for number in range(1, 8):
        made = registry.submit_job("test", f"{number}", {}, BY)
        assert made.id == number
        if number % 2:
            registry.cancel_job(made.id, BY)
    assert [job.id for job in registry.jobs()] == [7, 6, 5, 4, 2]


def test_who_looks_for_a_job_in_vain_waits_for_no_writer(new_database, tmp_path, closing):
    database = closing(open_database(new_database))
    registry = SqlRegistry(database, LocalStore(tmp_path / "store"))
    with database.write():
        assert registry.take_job("w", 60.0) is None
