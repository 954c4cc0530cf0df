"""What a load is: the request, where it goes, how many at a time or how often, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from modelport.client.address import Address


@dataclass(frozen=True, slots=True)
class Payload:
    """A request, ready to be sent again and again.

    `message` is a whole HTTP/1.1 request, or with `grpc` a serialised ModelInferRequest. `body` is how many of its
    bytes are the caller's data; `dialect` says how an answer is to be read; `metadata` goes with a gRPC call.
    """

    dialect: str
    message: bytes
    body: int
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def grpc(self) -> bool:
        """Whether it goes over HTTP/2."""
        return self.dialect == "grpc"


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement. Times are in seconds.

    `rate` None is a closed loop: each of `connections` × `streams` sends its next request when the last is answered.
    Otherwise requests are due `rate` times a second whatever the server does, and latency counts from when a request
    was due; one that finds no connection free waits for one, and that wait counts too. `cores` are those that the load
    runs on; none: as the system likes.
    """

    address: Address
    payload: Payload
    connections: int = 32
    streams: int = 1
    rate: float | None = None
    poisson: bool = True
    warmup: float = 1.0
    seconds: float = 10.0
    timeout: float = 30.0
    check: bool = False
    processes: int = 1
    seed: int = 0
    cores: tuple[int, ...] = ()

    def parts(self) -> list[Plan]:
        """What each process does; there are never more of them than connections."""
        count = min(self.processes, self.connections)
        return [
            replace(
                self,
                connections=self.connections // count + (number < self.connections % count),
                rate=None if self.rate is None else self.rate / count,
                processes=1,
                seed=self.seed + number,
            )
            for number in range(count)
        ]
