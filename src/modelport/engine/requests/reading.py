"""Reading a request log: one request by its id, or the newest ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelport.core.errors import NotFoundError
from modelport.core.request_id import RequestId, parse_request_id
from modelport.engine.requests.files import ROW, SegmentName, segments_in
from modelport.engine.requests.record import Record
from modelport.engine.requests.stored import Rows, read, rows_of

#: Requests of a list at most.
PAGE = 1000
#: A file's time may be behind the clock's, in nanoseconds.
_COARSE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests; empty values mean all. `since` and `before` are nanoseconds since 1970."""

    model: str = ""
    version: int = 0
    errors: bool = False
    since: int = 0
    before: int = 0
    rollout: int = 0

    def of(self, rows: Rows) -> Rows:
        """The rows of an index that are wanted."""
        chosen: NDArray[np.bool_] = rows["at"] >= self.since
        for name, value in (("version", self.version), ("rollout", self.rollout)):
            if value:
                chosen &= rows[name] == value
        if self.before:
            chosen &= rows["at"] < self.before
        if self.errors:
            chosen &= rows["failed"] != 0
        return rows[chosen]


class LoggedRequests:
    """The logs of all processes that wrote to a folder. From any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, request_id: str, patience: float = 0.0) -> Record:
        """The request of that id, looked for so many seconds: it may still be on its way to the disk.

        Raises InvalidInputError for what is no id, NotFoundError.
        """
        parsed, until = parse_request_id(request_id), time.monotonic() + patience
        while (record := self._found(parsed)) is None:
            if time.monotonic() >= until:
                raise NotFoundError(
                    f"request {parsed} is not in the log in {self.root}: it was not logged, or is removed already"
                )
            time.sleep(0.05)
        return record

    def newest(self, wanted: Wanted, limit: int = 50) -> list[Record]:
        """The newest requests that are wanted, the newest first."""
        chosen: list[tuple[int, SegmentName, np.void]] = []
        for changed, segment in self._by_time(wanted.model):
            if changed < wanted.since or (len(chosen) == limit and chosen[-1][0] > changed):
                break  # no request is later than its segment's last change
            rows = wanted.of(rows_of(segment))
            rows = rows[np.argsort(rows["at"], kind="stable")[-limit:]]
            chosen = sorted([*chosen, *((int(row["at"]), segment, row) for row in rows)], key=_moment)[:limit]
        return [record for _, segment, row in chosen for record in read(segment, np.array([row], ROW))]

    def models(self) -> list[str]:
        """The models of which something is logged."""
        return sorted({segment.model for segment in segments_in(self.root)})

    def _found(self, wanted: RequestId) -> Record | None:
        for segment in self._near(wanted):
            rows = rows_of(segment)
            for record in read(segment, rows[rows["number"] == wanted.number]):
                if record.id == str(wanted):
                    return record
        return None

    def _near(self, wanted: RequestId) -> Iterator[SegmentName]:
        """The segments of the id's process, those first that begin with the numbers next to its own.

        Answers come a little out of order, so that a number may lie in another segment than the first one.
        """
        found = [(first, segment) for segment in segments_in(self.root, process=wanted.process)
                 if (first := _first(segment)) is not None]  # fmt: skip
        found.sort(key=lambda item: (item[0] > wanted.number, abs(wanted.number - item[0])))
        yield from (segment for _, segment in found)

    def _by_time(self, model: str) -> list[tuple[int, SegmentName]]:
        found = []
        for segment in segments_in(self.root, model):
            with suppress(FileNotFoundError):
                found.append((segment.path.stat().st_mtime_ns + _COARSE, segment))
        return sorted(found, key=lambda item: -item[0])


def _first(segment: SegmentName) -> int | None:
    """The number of a segment's first record."""
    try:
        with segment.index.open("rb") as file:
            row = np.frombuffer(file.read(ROW.itemsize), ROW)
    except (FileNotFoundError, ValueError):
        row = rows_of(segment)[:1]
    if not len(row):
        row = rows_of(segment)[:1]
    return int(row[0]["number"]) if len(row) else None


def _moment(item: tuple[int, SegmentName, np.void]) -> int:
    return -item[0]
