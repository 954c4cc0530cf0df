"""Reading one segment, also while it is written to, and after a crash: what is not whole is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelport.engine.requests.files import FRAME, HEADER, ROW, SegmentName, row_of, unframed
from modelport.engine.requests.record import Record, decode

Rows = NDArray[np.void]


def rows_of(segment: SegmentName) -> Rows:
    """The index of a segment: what its file says, and what lies behind that in the segment. A removed one has none."""
    try:
        size = segment.path.stat().st_size
        raw = segment.index.read_bytes() if segment.index.exists() else b""
    except FileNotFoundError:
        return np.zeros(0, ROW)
    rows = np.frombuffer(raw[: len(raw) // ROW.itemsize * ROW.itemsize], ROW)
    rows = rows[: _sound(rows, size)]
    end = int(rows[-1]["offset"] + rows[-1]["length"]) if len(rows) else len(HEADER)
    return rows if end == size else np.concatenate([rows, _scanned(segment, end)])


def read(segment: SegmentName, rows: Rows) -> Iterator[Record]:
    """The records of some rows, in their order; one that is damaged, or removed meanwhile, is left out."""
    try:
        file = segment.path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for offset, length in zip(rows["offset"].tolist(), rows["length"].tolist(), strict=True):
            data = unframed(os.pread(file.fileno(), length, offset), 0)
            record = None if data is None else _decoded(data)
            if record is not None:
                yield record


def _sound(rows: Rows, size: int) -> int:
    """How many rows from the first on follow each other within the segment."""
    if not len(rows):
        return 0
    ends = rows["offset"] + rows["length"]
    begin = np.concatenate([np.array([len(HEADER)], np.uint64), ends[:-1]])
    sound = (rows["offset"] == begin) & (ends <= size) & (rows["length"] > FRAME.size)
    return len(rows) if sound.all() else int(np.argmin(sound))


def _scanned(segment: SegmentName, start: int) -> Rows:
    """Rows for what lies from a place on, up to where a crash cut it off."""
    try:
        with segment.path.open("rb") as file:
            if file.read(len(HEADER)) != HEADER:
                return np.zeros(0, ROW)
            file.seek(start)
            rest = memoryview(file.read())
    except FileNotFoundError:
        return np.zeros(0, ROW)
    found, at = [], 0
    while (data := unframed(rest, at)) is not None:
        record, length = _decoded(data), len(data) + FRAME.size
        if record is not None:
            found.append(row_of(record, start + at, length))
        at += length
    return np.array(found, ROW)


def _decoded(data: bytes) -> Record | None:
    try:
        return decode(data)
    except msgspec.DecodeError:  # of a later version, say
        return None
