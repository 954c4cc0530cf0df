"""BentoML."""

from __future__ import annotations

from systems.own_paths import OwnPaths
from systems.system import Job, Launch


class BentoML(OwnPaths):
    """One service, with an API for each model."""

    name = "BentoML"
    packages = ("bentoml==1.4.39",)

    def path(self, model: str, dialect: str) -> str:
        """See `OwnPaths.path`."""
        return f"/{'bytes' if dialect == 'binary' else 'document'}/{model}"

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        program = str(self.home / "venv" / "bin" / "bentoml")
        return self.serving(
            job,
            program,
            "serve",
            "bentoml_server:Service",
            "--host",
            "127.0.0.1",
            "--port",
            str(job.port),
            "--working-dir",
            self.script(""),
            BENTOML_HOME=str(job.folder / "bentoml"),
            BENTOML_DO_NOT_TRACK="true",
        )
