"""What `modelport.toml` says about a model's own process, in its table `[process]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Limits and environment of a model's processes.

    `isolated` asks for a process of its own for a format that would not need one. `instances` processes answer that
    many requests at once. `timeout_seconds` ends a prediction that takes longer (0: no limit beside the request's own
    deadline), `start_seconds` a start. `memory_mb` is the most memory of one process (0: no limit). `requirements` is a
    file for pip, below the model's folder (`none`: not even the `requirements.txt` beside a Python model), and
    `python` the interpreter: both empty, and it is the server's own.
    """

    isolated: bool = False
    instances: int = 1
    timeout_seconds: float = 0.0
    start_seconds: float = 120.0
    memory_mb: int = 0
    requirements: str = ""
    python: str = ""
