"""The requests that wait for one version: interactive ones before bulk ones, each kind in the order it came."""

from __future__ import annotations

from collections import deque
from time import monotonic

from modelport.core.messages import InferenceRequest
from modelport.engine.batches import kind_of
from modelport.engine.served import Done
from modelport.engine.streaming import Channel

#: So many requests are looked at for some that fit into a batch with the first.
_LOOKED_AT = 512


class Entry:
    """A request that waits, since a moment of the monotonic clock. One with a `channel` gets several responses."""

    __slots__ = ("channel", "done", "request", "rows", "since")

    def __init__(self, request: InferenceRequest, rows: int, done: Done, channel: Channel | None = None) -> None:
        self.request = request
        self.rows = rows
        self.done = done
        self.channel = channel
        self.since = monotonic()


class Waiting:
    """Used on the event loop's thread."""

    __slots__ = ("_bulk", "_interactive", "rows")

    def __init__(self) -> None:
        self._interactive: deque[Entry] = deque()
        self._bulk: deque[Entry] = deque()
        self.rows = 0

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    @property
    def oldest(self) -> float:
        """Since when the next request waits."""
        return (self._interactive or self._bulk)[0].since

    @property
    def allowed(self) -> float | None:
        """How many seconds the next request had when it came; None where it has no deadline."""
        first = (self._interactive or self._bulk)[0]
        return None if first.request.deadline is None else first.request.deadline.at - first.since

    def add(self, entry: Entry) -> None:
        """At the end of its kind."""
        (self._bulk if entry.request.priority else self._interactive).append(entry)
        self.rows += entry.rows

    def take(self, rows: int) -> list[Entry]:
        """The next request, and those behind it that can be joined with it, up to so many rows in all."""
        queue = self._interactive or self._bulk
        first = queue.popleft()
        batch, taken, passed = [first], first.rows, []
        if rows > taken and first.channel is None:
            kind = kind_of(first.request)
            for _ in range(min(len(queue), _LOOKED_AT)):
                entry = queue.popleft()
                if taken + entry.rows <= rows and entry.channel is None and kind_of(entry.request) == kind:
                    batch.append(entry)
                    taken += entry.rows
                    if taken == rows:
                        break
                else:
                    passed.append(entry)
        queue.extendleft(reversed(passed))
        self.rows -= taken
        return batch

    def displace(self) -> Entry | None:
        """Take out the bulk request that came last; None where there is none."""
        if not self._bulk:
            return None
        entry = self._bulk.pop()
        self.rows -= entry.rows
        return entry

    def clear(self) -> list[Entry]:
        """Take out all of them."""
        entries = [*self._interactive, *self._bulk]
        self._interactive.clear()
        self._bulk.clear()
        self.rows = 0
        return entries
