"""This project, as `modelport serve` runs it, with everything on."""

from __future__ import annotations

import sys

from systems.system import Job, Launch, System


class Modelport(System):
    """All dialects on one port."""

    name = "Modelport"
    speaks = ("json", "binary", "grpc")

    def launch(self, job: Job) -> Launch:
        """See `System.launch`."""
        files = job.folder / "models"
        files.mkdir(exist_ok=True)
        for name, path in job.models.items():
            (files / f"{name}.onnx").symlink_to(path)
        command = [sys.executable, "-m", "modelport", "serve", str(files), "--port", str(job.port)]
        return Launch([*command, "--workers", str(job.workers)])

    def url(self, job: Job, dialect: str) -> str:
        """See `System.url`."""
        return f"http://127.0.0.1:{job.port}"

    def version(self) -> str:
        """This checkout's."""
        from modelport import __version__  # noqa: PLC0415

        return __version__
