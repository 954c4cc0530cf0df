"""How the engine runs models."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Frozen; read once at start."""

    inline_ms: float = field(
        default=1.0,
        metadata={
            "help": "A model whose prediction takes less than this many milliseconds runs on the event loop itself."
        },
    )
    inline_bytes: int = field(
        default=65536,
        metadata={
            "help": "Requests with more bytes of input than this run in a thread, until the model proves quick on them."
        },
    )
    tick_requests: int = field(
        default=64, metadata={"help": "Requests for a cheap model that run as one batch at most; 1 never batches."}
    )
    pool_threads: int = field(
        default=0, metadata={"help": "Threads that run models; 0 means as many as the cgroup allows CPUs."}
    )
    queue: int = field(
        default=1024,
        metadata={"help": "Requests that may wait for a thread; one more is refused with 'overloaded'."},
    )
    model_threads: int = field(
        default=0, metadata={"help": "Threads within one prediction; 0 means as many as the cgroup allows CPUs."}
    )
