"""The bytes of a pickle, whatever they are compressed with, and no more of them than a limit allows."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from modelport.core.errors import InvalidModelError

#: A compressed file may unpack to so many times its own size, and to this many bytes whatever its size.
MAX_RATIO = 400
FREE_BYTES = 256 << 20

_CHUNK = 1 << 20


def open_pickle(path: Path) -> BinaryIO:
    """The pickle's own bytes, seekable, at their beginning. Close it.

    Raises InvalidModelError where the file can't be read, or unpacks to far more than it could hold by rights.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    packed = _unpacker(file.read(6))
    file.seek(0)
    if packed is None:
        return file
    with file:
        return _unpacked(file, packed, path)


def read_exactly(file: BinaryIO, count: int) -> bytes:
    """That many bytes. Raises EOFError where there are fewer."""
    data = file.read(count)
    if len(data) != count:
        raise EOFError("it ends within an array")
    return data


class _Zlib(io.RawIOBase):
    """zlib's own form, which joblib writes, as a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._state = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most `size`; empty at the end."""
        while not self._state.eof:
            packed = self._state.unconsumed_tail or self._file.read(_CHUNK)
            if not packed:
                raise EOFError("its compressed data ends too soon")
            data = self._state.decompress(packed, size if size > 0 else _CHUNK)
            if data:
                return data
        return b""


def _unpacker(head: bytes) -> type | None:
    """What unpacks a file that begins so; None for one that is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile
    if head.startswith(b"BZh"):
        return bz2.BZ2File
    if head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return lzma.LZMAFile
    return _Zlib if head[:1] == b"\x78" and head[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda") else None


def _unpacked(file: BinaryIO, kind: type, path: Path) -> BinaryIO:
    limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
    reader = cast("BinaryIO", gzip.GzipFile(fileobj=file) if kind is gzip.GzipFile else kind(file))
    whole = io.BytesIO()
    try:
        while data := reader.read(_CHUNK):
            whole.write(data)
            if whole.tell() > limit:
                raise InvalidModelError(
                    f"{path.name} unpacks to more than {limit >> 20} MiB, {MAX_RATIO} times its size: "
                    "a decompression bomb, or packed too well; save it without compression"
                )
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InvalidModelError(f"{path.name} can't be unpacked: {error or 'it ends too soon'}") from None
    whole.seek(0)
    return whole
