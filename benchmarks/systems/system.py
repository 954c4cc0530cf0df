"""What every system has: how it is installed and started, and how it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from triton_peer import home

from modelport.client import Client
from modelport.client.address import parse_address
from modelport.client.load import Payload, payload

HERE = Path(__file__).resolve().parent
#: What each peer's environment has besides the peer.
RUNTIME = ("onnxruntime==1.31.1", "numpy>=2.0,<3" if sys.version_info < (3, 14) else "numpy")


class NotInstalledError(Exception):
    """A peer can't be had here; the text says why."""


@dataclass(frozen=True)
class Launch:
    """What starts a server."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Job:
    """What is to be served: the models by name, where, by how many workers. `folder` is free for files of its own."""

    models: Mapping[str, Path]
    port: int
    grpc_port: int
    folder: Path
    workers: int = 1


class System:
    """One server under test. It is asked by the Open Inference Protocol unless it says otherwise."""

    name = ""
    #: Of the peer's virtual environment; none: nothing to install.
    packages: tuple[str, ...] = ()
    #: What it is asked by: json, binary, grpc.
    speaks: tuple[str, ...] = ("json",)
    #: Whether it runs the models that it serves.
    runs_models = True
    #: Whether its worker processes can be set.
    scales = True

    def launch(self, job: Job) -> Launch:
        """What starts it for that job."""
        raise NotImplementedError

    def payload(self, job: Job, model: str, inputs: dict[str, np.ndarray], dialect: str) -> Payload:
        """The request for a model of the job."""
        return payload(parse_address(self.url(job, dialect)), model, "", inputs, dialect)

    def ask(self, job: Job, model: str, inputs: dict[str, np.ndarray], dialect: str) -> dict[str, np.ndarray]:
        """One answer. Raises OSError or ModelportError where there is none."""
        with Client(self.url(job, dialect), timeout=30, retries=0, dialect=dialect) as client:
            return dict(client.infer(model, inputs))

    def url(self, job: Job, dialect: str) -> str:
        """Where that dialect is spoken."""
        return f"http://127.0.0.1:{job.grpc_port if dialect == 'grpc' else job.port}"

    def install(self) -> None:
        """Make its environment, where that is not done. Raises NotInstalledError."""
        if not self.packages:
            return
        wanted = (*self.packages, *RUNTIME)
        stamp = self.home / f".installed-{sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
        if stamp.exists():
            return
        print(f"installing {self.name} into {self.home}", flush=True)
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.home / "venv")], check=True)
        command = [str(self.python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.startswith("ERROR")][-1:] or ["pip failed"]
            raise NotInstalledError(f"{self.name} can't be installed: {last[0][-300:]}")
        stamp.touch()

    @property
    def home(self) -> Path:
        """Where its environment is."""
        return home().parent / type(self).__name__.lower()

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.home / "venv" / "bin" / "python"

    def version(self) -> str:
        """What was installed."""
        return ", ".join(self.packages)

    def serving(self, job: Job, *command: str, **environment: str) -> Launch:
        """A launch of one of the scripts in `serving/`, or of a program of the peer's environment."""
        models = ";".join(f"{name}={path}" for name, path in job.models.items())
        return Launch(
            list(command),
            {
                "MODELS": models,
                "WORKERS": str(job.workers),
                "PYTHONPATH": str(HERE / "serving"),
                "PATH": f"{self.home / 'venv' / 'bin'}:{os.environ['PATH']}",
                **environment,
            },
            job.folder,
        )

    def script(self, name: str) -> str:
        """The path of a script in `serving/`."""
        return str(HERE / "serving" / name)
