"""LitServe."""

from __future__ import annotations

from systems.own_paths import Base64
from systems.system import Job, Launch


class LitServe(Base64):
    """FastAPI, with a process for the model."""

    name = "LitServe"
    packages = ("litserve==0.2.19",)

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        return self.serving(job, str(self.python), self.script("litserve_server.py"), str(job.port))
