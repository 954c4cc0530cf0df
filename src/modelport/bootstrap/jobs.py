"""What does the registry's jobs beside a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modelport.bootstrap.settings import Settings
from modelport.registry.base import Registry
from modelport.registry.jobs import JobRecord
from modelport.release.jobs.messages import Task
from modelport.release.jobs.runner import Runner


def job_runner(settings: Settings, opened: Callable[[], Registry], folder: Path | None) -> Runner:
    """A runner of jobs on the server's registry, which trusts what the server trusts.

    Workers of one server share `folder`; one of them does jobs.
    """
    engine = settings.engine

    def task(job: JobRecord) -> Task:
        return Task(job, settings.registry, engine.trust, engine.trust_globals)

    return Runner(opened, task, folder)
