"""Triton for the benchmarks: downloaded once (55 MB) into /peers (or $PEERS_HOME), with a backend that costs nothing.

python benchmarks/triton_peer.py installs it; `make bench` does so where it is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION = "2.51"  # of the server that the locked wheel carries
SOURCE = HERE / "triton" / "free_backend.cc"
MODELS = {"breast-cancer": "config.pbtxt", "identity": "identity.pbtxt", "pixels": "pixels.pbtxt"}


def home() -> Path:
    """Where peers are kept: ignored by git, and not removed by `make clean`."""
    return Path(os.environ.get("PEERS_HOME") or HERE.parent / "peers").resolve() / "triton"


def install() -> None:
    """Download the server and compile the backend, where that is not done. Raises CalledProcessError or OSError."""
    if not _binary().exists():
        print(f"installing Triton into {home()}", flush=True)
        requirements = ["--require-hashes", "-r", str(HERE / "triton" / "requirements.txt")]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-qq",
            "--no-deps",
            "--upgrade",
            "--target",
            str(home() / "server"),
        ]
        subprocess.run([*pip, *requirements], check=True)
    library = home() / "backends" / "free" / "libtriton_free.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["g++", "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library)], check=True)
    for model, config in MODELS.items():
        repository = home() / "repository" / model
        (repository / "1").mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "triton" / config, repository / "config.pbtxt")


def command(port: int, http_threads: int, grpc_port: int | None = None) -> list[str]:
    """What starts it. Metrics are off, and gRPC where no port is given: their threads would cost it a little."""
    grpc = ["--allow-grpc=false"] if grpc_port is None else [f"--grpc-port={grpc_port}"]
    return [
        str(_binary()),
        f"--model-repository={home() / 'repository'}",
        f"--backend-directory={home() / 'backends'}",
        f"--http-port={port}",
        f"--http-thread-count={http_threads}",
        "--allow-metrics=false",
        *grpc,
    ]


def _binary() -> Path:
    return home() / "server" / "pytriton" / "tritonserver" / "bin" / "tritonserver"


if __name__ == "__main__":
    install()
