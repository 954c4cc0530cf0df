"""Counting events in time at the price of one addition per event."""


class Meter:
    """Tells when more than `bound` events came within `window` seconds.

    The clock is read only when the count reaches the bound: if that took longer than the window, or if the
    connection did more work than the excess meanwhile, counting starts again. `work` is any number that grows by
    one for each useful thing done.
    """

    __slots__ = ("_bound", "_count", "_since", "_window", "_work")

    def __init__(self, bound: int, window: float, now: float) -> None:
        self._bound = bound
        self._window = window
        self._count = 0
        self._since = now
        self._work = 0

    def full(self) -> bool:
        """Count one event; True when it is time to ask `flooded`."""
        self._count += 1
        return self._count > self._bound

    def flooded(self, now: float, work: int = 0) -> bool:
        """Whether the events counted so far are a flood; if not, start counting again."""
        if now - self._since <= self._window and self._count > work - self._work:
            return True
        self._count = 0
        self._since = now
        self._work = work
        return False
