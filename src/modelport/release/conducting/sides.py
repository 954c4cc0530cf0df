"""One side of a rollout, as people and pages read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from modelport.release.conducting.figures import QUANTILES, Figures


@dataclass(frozen=True, slots=True)
class SideReport:
    """Shares of 1, and milliseconds; None where nothing was counted.

    `compared` requests were answered by both versions, `dropped` ones were not mirrored for want of time.
    """

    version: int
    requests: int
    errors: int
    error_rate: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    compared: int
    disagreed: int
    disagreement: float | None
    dropped: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def side_report(version: int, figures: Figures) -> SideReport:
    """The figures of a version, in words of people."""
    latencies = {f"{name}_ms": _milliseconds(figures.value(name)) for name in QUANTILES}
    return SideReport(
        version=version,
        requests=figures.requests,
        errors=figures.errors,
        error_rate=figures.value("error_rate"),
        compared=figures.compared,
        disagreed=figures.disagreed,
        disagreement=figures.value("disagreement"),
        dropped=figures.dropped,
        **latencies,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 4)
