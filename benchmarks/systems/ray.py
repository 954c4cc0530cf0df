"""Ray Serve."""

from __future__ import annotations

from systems.own_paths import OwnPaths
from systems.system import Job, Launch


class RayServe(OwnPaths):
    """One application per model, in a Ray of its own."""

    name = "Ray Serve"
    packages = ("ray[serve]==2.60.0",)

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        return self.serving(
            job,
            str(self.python),
            self.script("ray_server.py"),
            str(job.port),
            RAY_TMPDIR="/tmp",
            RAY_USAGE_STATS_ENABLED="0",
            RAY_SERVE_LOG_TO_STDERR="0",
        )
