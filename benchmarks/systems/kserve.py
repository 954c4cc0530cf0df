"""KServe."""

from __future__ import annotations

from systems.system import Job, Launch, System


class KServe(System):
    """The Python server that KServe's runtimes are made with."""

    name = "KServe"
    packages = ("kserve==0.21.0",)
    speaks = ("json", "binary", "grpc")

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        options = {
            "http_port": job.port,
            "grpc_port": job.grpc_port,
            "workers": job.workers,
            "grpc_max_receive_message_length": 1 << 28,
            "grpc_max_send_message_length": 1 << 28,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        return self.serving(job, str(self.python), self.script("kserve_server.py"), *words)
