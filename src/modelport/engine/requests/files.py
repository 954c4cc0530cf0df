"""The files of a request log: what they are called, and how a record lies in one.

A segment has a first line that says what it is, then records: length, CRC-32 and the record, one behind the other.
Beside it lies an index of one row for each record, which is written after the records: it spares reading them, and what
it lacks is found in the segment.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from modelport.core.request_id import PROCESS
from modelport.engine.requests.record import Record

HEADER = b"modelport requests 1\n"
FRAME = struct.Struct("<II")
#: One record in the index: its id's number and rollout, where it lies, and what a list is chosen by.
ROW = np.dtype(
    [
        ("number", "<u8"),
        ("offset", "<u8"),
        ("at", "<i8"),
        ("length", "<u4"),
        ("version", "<u8"),
        ("rollout", "<u8"),
        ("failed", "<u4"),
    ]
)
_NAME = re.compile(r"(?P<day>\d{8})-(?P<process>[0-9a-v]{12})-(?P<number>\d{6})\.log")


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A segment's file: the day on which it was begun (UTC), who writes it, and how many that one began before."""

    path: Path
    model: str
    process: str
    number: int

    @property
    def index(self) -> Path:
        """The file of its index."""
        return self.path.with_suffix(".idx")


def folder_of(root: Path, model: str) -> Path:
    """Where a model's segments are."""
    return root / quote(model, safe=" ")


def segment_path(folder: Path, day: str, process: str, number: int) -> Path:
    """The file of a new segment."""
    return folder / f"{day}-{process}-{number:06}.log"


def segments_in(root: Path, model: str = "", process: str = "") -> Iterator[SegmentName]:
    """The segments of a model, or of all; of one process, or of all."""
    folders = [folder_of(root, model)] if model else root.iterdir() if root.is_dir() else []
    for folder in folders:
        for path in folder.glob(f"*-{process or '*'}-*.log"):
            found = _NAME.fullmatch(path.name)
            if found is not None:
                yield SegmentName(path, unquote(folder.name), found["process"], int(found["number"]))


def row_of(record: Record, offset: int, length: int) -> tuple[int, ...]:
    """A record's row in the index."""
    rollout, _, token = record.id.split("-")
    number = int(token[PROCESS:], 16)
    return number, offset, record.at, length, record.version, int(rollout), int(bool(record.kind))


def frame_of(data: bytes) -> bytes:
    """What stands in front of a record: its length and its checksum."""
    return FRAME.pack(len(data), zlib.crc32(data))


def unframed(buffer: bytes | memoryview, at: int) -> bytes | None:
    """The record that lies at a place; None where none lies there whole."""
    if at + FRAME.size > len(buffer):
        return None
    length, checksum = FRAME.unpack_from(buffer, at)
    start = at + FRAME.size
    data = bytes(buffer[start : start + length])
    return data if len(data) == length and length and zlib.crc32(data) == checksum else None
