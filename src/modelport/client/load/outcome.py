"""What a load has measured, by one process or by several together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from modelport.client.load.histogram import Histogram

PERCENTS = (50, 90, 99, 99.9)
#: From this share of a core on, a process that makes load has no room left.
_FULL = 0.95
#: A process that waited this share of the time for a core has sent late.
_STARVED = 0.10


@dataclass(slots=True)
class Outcome:
    """Counts and times. `done` are right answers within the window; `latencies` those of all right answers.

    `processor` and `starved` are shares of the time: what each process used of a core, and what it waited for one.
    `lags` are how much later than due the open loop itself acted.
    """

    seconds: float = 0.0
    rate: float | None = None
    done: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    samples: dict[str, str] = field(default_factory=dict)
    latencies: Histogram = field(default_factory=Histogram)
    lags: Histogram = field(default_factory=Histogram)
    received: int = 0
    sent: int = 0
    processor: list[float] = field(default_factory=list)
    starved: list[float] = field(default_factory=list)
    cores: int = 0

    def merge(self, other: Outcome) -> None:
        """Add what another process measured at the same time."""
        self.seconds = max(self.seconds, other.seconds)
        self.rate = None if other.rate is None else (self.rate or 0.0) + other.rate
        self.done += other.done
        self.errors += other.errors
        self.samples = {**other.samples, **self.samples}
        self.latencies.merge(other.latencies)
        self.lags.merge(other.lags)
        self.received += other.received
        self.sent += other.sent
        self.processor += other.processor
        self.starved += other.starved
        self.cores = max(self.cores, other.cores)

    @property
    def throughput(self) -> float:
        """Right answers per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def failed(self) -> int:
        """Requests without a right answer."""
        return self.errors.total()

    def limits(self) -> list[str]:
        """Why these figures say more about the load than about the server; empty where they can be believed."""
        found = []
        busiest = max(self.processor, default=0.0)
        if busiest >= _FULL or (self.cores and sum(self.processor) >= _FULL * self.cores):
            found.append(
                f"the load itself used {busiest:.0%} of a core: the server may be faster; use more --processes"
            )
        if max(self.starved, default=0.0) >= _STARVED:
            found.append(
                f"the load waited {max(self.starved):.0%} of the time for a core: other processes keep it from sending"
            )
        lag, usual = self.lags.percentile(99), self.latencies.percentile(50)
        if self.lags.count and lag > max(0.002, 0.1 * (0.0 if math.isnan(usual) else usual)):
            found.append(f"1 % of the requests were sent {lag * 1e3:.1f} ms or more after they were due")
        if self.rate is not None and self.lags.count < 0.95 * self.rate * self.seconds:
            found.append(
                f"only {self.lags.count / self.seconds:,.0f} of {self.rate:,.0f} requests per second were sent"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: times in milliseconds, none where nothing was measured."""
        times = {
            name: None if math.isnan(value) else round(value * 1e3, 4)
            for name, value in {**self.latencies.percentiles(PERCENTS), "mean": self.latencies.mean}.items()
        }
        return {
            "throughput": round(self.throughput, 3),
            "rate": self.rate,
            "seconds": self.seconds,
            "done": self.done,
            "errors": dict(self.errors),
            "error_samples": self.samples,
            "latency_ms": times,
            "bytes_received": self.received,
            "bytes_sent": self.sent,
            "load_processor": [round(share, 3) for share in self.processor],
            "load_starved": [round(share, 3) for share in self.starved],
            "limits": self.limits(),
            "histogram": self.latencies.to_dict(),
        }
