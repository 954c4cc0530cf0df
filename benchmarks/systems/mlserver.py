"""MLServer."""

from __future__ import annotations

import json

from systems.system import Job, Launch, System


class MLServer(System):
    """FastAPI and grpcio; more than one worker by its parallel inference."""

    name = "MLServer"
    #: Its parallel workers do not start with a newer uvloop.
    packages = ("mlserver==1.7.1", "uvloop<0.22")
    speaks = ("json", "grpc")

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        for name, path in job.models.items():
            folder = job.folder / name
            folder.mkdir(exist_ok=True)
            settings = {
                "name": name,
                "implementation": "mlserver_runtime.Service",
                "parameters": {"uri": str(path), "version": "1"},
            }
            (folder / "model-settings.json").write_text(json.dumps(settings))
        settings = {
            "http_port": job.port,
            "grpc_port": job.grpc_port,
            "metrics_endpoint": None,
            "grpc_max_message_length": 1 << 28,
            "parallel_workers": 0 if job.workers == 1 else job.workers,
            "debug": False,
        }
        (job.folder / "settings.json").write_text(json.dumps(settings))
        return self.serving(job, str(self.home / "venv" / "bin" / "mlserver"), "start", str(job.folder))
