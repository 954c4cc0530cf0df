"""The share of the traffic that a rollout's candidate had over time, as a picture of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: Width and height of the picture, in its own units.
WIDE, HIGH = 600.0, 100.0


@dataclass(frozen=True, slots=True)
class Share:
    """Points of a line (`x,y x,y …`) in a picture of WIDE × HIGH, 100 % at its top, and the two ends in time."""

    line: str
    since: str
    until: str


def share_over_time(points: Sequence[tuple[str, float]], until: str) -> Share:
    """A line of steps through (since, per cent), one after the other; the last one lasts until `until`."""
    times = [datetime.fromisoformat(at).timestamp() for at, _ in points]
    first, last = times[0], max(datetime.fromisoformat(until).timestamp(), times[-1])
    length = (last - first) or 1.0
    corners: list[tuple[float, float]] = []
    for at, (_, percent) in zip(times, points, strict=True):
        x = (at - first) / length * WIDE
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, HIGH - percent))
    corners.append((WIDE, corners[-1][1]))
    return Share(" ".join(f"{x:.1f},{y:.1f}" for x, y in corners), points[0][0], until)
