"""mosec."""

from __future__ import annotations

from systems.own_paths import OwnPaths
from systems.system import Job, Launch


class Mosec(OwnPaths):
    """A Rust front, Python workers."""

    name = "mosec"
    packages = ("mosec==0.9.8",)

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        port = [
            "--address",
            "127.0.0.1",
            "--port",
            str(job.port),
            "--timeout",
            "60000",
            "--max-request-size",
            str(1 << 28),
        ]
        return self.serving(job, str(self.python), self.script("mosec_server.py"), *port)
