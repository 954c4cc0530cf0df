"""Where the server listens, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Frozen; read once at start."""

    host: str = field(
        default="127.0.0.1",
        metadata={"help": "Address to listen on. Anything wider than this machine is warned about."},
    )
    port: int = field(default=8000, metadata={"help": "Port to listen on; 0 takes a free one."})
    also_listen: tuple[int, ...] = field(
        default=(),
        metadata={"help": "Further ports with the same services, those that clients expect; separated by ','."},
    )
    workers: int = field(default=1, metadata={"help": "Worker processes; 0 means as many as the cgroup allows CPUs."})
    drain_seconds: float = field(
        default=30.0, metadata={"help": "How long requests may go on after SIGTERM before their connections are cut."}
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What one client may ask of the server. Frozen; read once at start."""

    body_bytes: int = field(default=256 << 20, metadata={"help": "Largest body of a request, after decompression too."})
    header_bytes: int = field(
        default=64 << 10, metadata={"help": "Largest head of a request: its line and all headers."}
    )
    header_seconds: float = field(
        default=10.0, metadata={"help": "How long a client may take to send a request's head."}
    )
    body_seconds: float = field(
        default=10.0, metadata={"help": "How long a body may take before its rate is looked at."}
    )
    body_rate: int = field(
        default=1024, metadata={"help": "Bytes per second that a body must reach after body_seconds."}
    )
    keep_alive_seconds: float = field(default=75.0, metadata={"help": "How long an idle connection is kept open."})
    pipelined: int = field(
        default=64,
        metadata={"help": "Requests on one connection that may wait for their answers before reading pauses."},
    )
