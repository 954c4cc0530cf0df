"""How the engine runs models: for the whole server, and what a model's own file may say otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from modelport.core.errors import InvalidModelError


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
    batch_rows: int = field(
        default=256, metadata={"help": "Rows that a dear model computes as one batch at most; 1 never batches."}
    )
    max_delay_ms: float = field(
        default=0.0,
        metadata={"help": "Milliseconds that a request waits for others to make a batch; 0 never waits."},
    )
    pool_threads: int = field(
        default=0,
        metadata={"help": "Predictions of one dear model at a time; 0 means as many as the cgroup allows CPUs."},
    )
    queue: int = field(
        default=1024,
        metadata={"help": "Requests that may wait for one model; one more is refused with 'overloaded'."},
    )
    request_seconds: float = field(
        default=0.0,
        metadata={"help": "Deadline of requests that bring none, in seconds; 0 lets them wait as long as it takes."},
    )
    model_threads: int = field(
        default=0, metadata={"help": "Threads within one prediction; 0 means as many as the cgroup allows CPUs."}
    )
    cache_mb: int = field(
        default=64, metadata={"help": "Memory for cached responses, of all models that have a cache, in MB."}
    )
    default_model: str = field(
        default="",
        metadata={"help": "What paths without a model's name (/predict, /invocations) mean where several are served."},
    )
    log_requests: str = field(
        default="", metadata={"help": "Models whose requests are logged: names separated by commas, or *."}
    )
    request_log: str = field(
        default="", metadata={"help": "Folder of the request log; the folder `requests` in home where none is named."}
    )
    metrics_names: Literal["modelport", "triton", "both"] = field(
        default="modelport",
        metadata={"help": "Names in /metrics: modelport, triton (nv_inference_*, with the same numbers), or both."},
    )
    trust: str = field(
        default="",
        metadata={"help": "Models whose files may run code, such as pickles: names, sha256:… digests, or all; by ','."},
    )
    trust_globals: str = field(
        default="",
        metadata={
            "help": "Names that trusted pickles may import beyond the known ones: my_package.Cleaner, my_package.*."
        },
    )


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """The table `[serving]` of a model's `modelport.toml`. 0 and empty texts leave what the server's settings say."""

    execution: Literal["auto", "tick", "inline", "pool"] = "auto"
    batching: bool = True
    max_batch: int = 0
    max_delay_ms: float = 0.0
    concurrency: int = 0
    queue: int = 0
    timeout_seconds: float = 0.0
    priority: Literal["interactive", "bulk"] = "interactive"
    versions: str = ""
    aliases: dict[str, int] = field(default_factory=dict)
    replace: Literal["", "availability", "resources"] = ""

    def __post_init__(self) -> None:
        for name in ("max_batch", "max_delay_ms", "concurrency", "queue", "timeout_seconds"):
            if getattr(self, name) < 0:
                raise InvalidModelError(f"[serving] {name} must not be negative, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """The table `[cache]`: responses of a model that gives the same outputs for the same inputs are kept."""

    enabled: bool = True
    ttl_seconds: float = 0.0
    max_mb: float = 16.0
