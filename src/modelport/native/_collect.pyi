from array import array
from collections.abc import Callable, Mapping
from typing import Any

REVISION: int

def data_frames(
    pieces: list[bytes | memoryview], size: int, room: int, stream: int, ends: bool, /
) -> tuple[list[bytes | memoryview], int, int, int]: ...

class Collector:
    def __new__(
        cls,
        inputs: tuple[tuple[bytes, bytes, str, tuple[int, ...]], ...],
        most_requests: int,
        most_bytes: int,
        plans: dict[bytes, tuple[int | bytes, ...]] | None,
        /,
    ) -> Collector: ...
    def begin(self) -> bool: ...
    def close(self) -> tuple[int, int, bool, tuple[bytearray, ...]]: ...
    def span(self, start: int, end: int, /) -> tuple[int, int]: ...
    def request(self, index: int, /) -> tuple[Any, Mapping[bytes, bytes], str, int, int, int, int, int]: ...
    def answer(
        self,
        start: int,
        end: int,
        lines: tuple[bytes, bytes, bytes],
        columns: tuple[tuple[bytes, bytes, bytes, int], ...],
        binary: bool,
        started: int,
        finished: int,
        meter: memoryview[float],
        bounds: array[int],
        slow: Callable[[int, bytes, int], None],
        /,
    ) -> None: ...
    def done(self, index: int, /) -> None: ...
    def clear(self) -> None: ...

class Port:
    def __new__(cls, open: Callable[[], Collector | None], /) -> Port: ...  # noqa: A002

class Known:
    def __new__(
        cls,
        head: bytes,
        port: Port,
        length: int,
        headers: Mapping[bytes, bytes],
        smallest: int,
        timeout: int,
        json: int,
        /,
    ) -> Known: ...

class Filler:
    ended: bool
    filled: int
    left: int
    rest: bytes
    def __new__(cls, memory: memoryview[int], stream: int, largest: int, /) -> Filler: ...
    def take(self, data: bytes, at: int, /) -> int: ...

class Meter:
    row: memoryview[float]
    def __new__(cls, row: memoryview[float], bounds: array[int], /) -> Meter: ...
    def count(self, request: object, rows: int, now: int, /) -> None: ...

class Gate:
    outstanding: int
    since: int
    waiting: bool
    slow: bool
    def __new__(cls, heads: dict[bytes, Known], most: int, lane: object, settled: Callable[[], None], /) -> Gate: ...
    def take(self, data: bytes, /) -> int: ...
    def open(self, write: Callable[[bytes], object], /) -> None: ...
    def close(self) -> None: ...
