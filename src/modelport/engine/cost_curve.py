"""What a prediction costs by the number of its rows, and the size of a batch that this speaks for."""

from __future__ import annotations

#: Doubling a batch has to raise the rows per second by this factor: otherwise it only makes its first request wait.
_WORTH = 1.1
#: The weight of a new observation against what was known.
_NEW = 0.1


class CostCurve:
    """Milliseconds by rows, for powers of two and what lies between them. Kept up to date by `observe`.

    Used by one thread: the event loop's.
    """

    __slots__ = ("_points",)

    def __init__(self) -> None:
        #: Exponent of two → mean rows, mean milliseconds.
        self._points: dict[int, tuple[float, float]] = {}

    def observe(self, rows: int, milliseconds: float) -> None:
        """A prediction on so many rows took so long."""
        if rows < 1:
            return
        exponent = rows.bit_length() - 1
        before = self._points.get(exponent)
        if before is None:
            self._points[exponent] = (float(rows), milliseconds)
        else:
            self._points[exponent] = (
                before[0] + _NEW * (rows - before[0]),
                before[1] + _NEW * (milliseconds - before[1]),
            )

    @property
    def points(self) -> list[tuple[int, float]]:
        """(rows, milliseconds), few rows first."""
        return [(round(rows), cost) for _, (rows, cost) in sorted(self._points.items())]

    def cost(self, rows: int) -> float | None:
        """Milliseconds that so many rows will take, by the nearest sizes that are known; None where none is."""
        points = sorted(self._points.values())
        if not points:
            return None
        above = next((at for at, (size, _) in enumerate(points) if size >= rows), None)
        if above == 0:
            return points[0][1]
        if above is None:
            size, cost = points[-1]
            return cost * rows / size
        (low, low_cost), (high, high_cost) = points[above - 1], points[above]
        return low_cost + (high_cost - low_cost) * (rows - low) / (high - low)

    def favoured(self, largest: int) -> int:
        """The rows of a batch, up to `largest`, beyond which joining more does not pay; 1 where joining never does.

        Where the largest size that is known still pays, twice that is tried: load shows what it costs.
        """
        best, best_rate, known = 1, 0.0, 1
        for exponent, (rows, cost) in sorted(self._points.items()):
            rate, known = rows / max(cost, 1e-6), 1 << exponent
            doublings = exponent - (best.bit_length() - 1)
            if best_rate == 0.0 or rate >= best_rate * _WORTH**doublings:
                best, best_rate = 1 << exponent, rate
        if best == known and (best > 1 or len(self._points) < 2):
            best *= 2
        return max(1, min(best, largest))
