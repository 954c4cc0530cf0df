"""System shared memory that clients register: POSIX objects by their names, read and written within their bounds.

Source: Triton "Shared-Memory Extension". Bytes are copied by the file's descriptor and not by a mapping of it: a client
that makes its object smaller while it is in use gets an error, where a mapping would end the server.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError, OutOfResourcesError
from modelport.server.shared_document import in_folder
from modelport.wire.http import Buffer
from modelport.wire.shared_memory import Place

NO_CUDA = "this server does not use CUDA shared memory; system shared memory is there, or send the tensors raw"
#: Where the host keeps POSIX shared memory objects.
_OBJECTS = Path("/dev/shm")  # noqa: S108 - not a temporary file of ours
#: A name as shm_open takes it portably: one slash at most, in front.
_KEY = re.compile(r"/?(?!\.\.?$)[^/\0]{1,254}")
_MOST = 2**63 - 1
#: Each region holds a descriptor in each worker.
_REGIONS = 256


@dataclass(frozen=True, slots=True)
class Region:
    """A registered part of an object. `device` and `inode` say which object of that name it was."""

    name: str
    key: str
    offset: int
    byte_size: int
    device: int
    inode: int


class SharedMemory:
    """The regions of a server, in every worker. Satisfies `wire.shared_memory.Regions`."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is shared by the server's workers; None where there is one process."""
        self._registered = in_folder(folder, "shared-memory")
        self._open: dict[str, tuple[Region, int]] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Make a part of an object usable under a name. Raises ModelportError naming what is wrong."""
        if not name:
            raise InvalidInputError("a shared-memory region needs a name")
        if not (0 <= offset <= _MOST and 0 < byte_size <= _MOST):
            raise InvalidInputError(
                f"region {name!r}: offset {offset} and byte_size {byte_size} are not a part of memory"
            )
        with self._registered.change() as regions:
            if name in regions:
                raise ConflictError(f"region {name!r} is registered already; unregister it first")
            if len(regions) >= _REGIONS:
                raise OutOfResourcesError(f"{_REGIONS} regions are registered; unregister one first")
            opened = _part(name, key, offset, byte_size)
            regions[name] = asdict(opened[0])
        self._forget(name)
        self._open[name] = opened

    def unregister(self, name: str | None) -> None:
        """Forget a region; None forgets all. One that is not registered is no error."""
        with self._registered.change() as regions:
            for gone in list(regions) if name is None else [name]:
                regions.pop(gone, None)
        self._close_stale()

    def regions(self, name: str | None = None) -> list[Region]:
        """The region of that name, or all of them. Raises NotFoundError."""
        known = self._registered.read()
        if name is None:
            return [Region(**known[item]) for item in sorted(known)]
        return [self._region(name)]

    def close(self) -> None:
        """Give everything back."""
        for name in list(self._open):
            self._forget(name)

    def read(self, place: Place) -> memoryview:
        """The bytes of a place, copied."""
        region, file = self._at(place)
        buffer = np.empty(place.size, np.uint8).data  # as aligned as every array
        done = 0
        while done < place.size:
            count = os.preadv(file, [buffer[done:]], region.offset + place.offset + done)
            if not count:
                raise InvalidInputError(_shrunk(region))
            done += count
        return buffer

    def write(self, place: Place, raw: Buffer) -> None:
        """Put bytes into a place."""
        region, file = self._at(place)
        start = region.offset + place.offset
        if os.fstat(file).st_size < start + len(raw):
            raise InvalidInputError(_shrunk(region))
        view, done = memoryview(raw), 0
        while done < len(raw):
            done += os.pwrite(file, view[done:], start + done)

    def _at(self, place: Place) -> tuple[Region, int]:
        region = self._region(place.region)
        if place.offset + place.size > region.byte_size:
            raise InvalidInputError(
                f"bytes {place.offset} to {place.offset + place.size} are not within region {region.name!r}, "
                f"which has {region.byte_size}"
            )
        opened = self._open.get(region.name)
        if opened is None or opened[0] != region:
            self._close_stale()
            opened = self._open[region.name] = (region, self._reopened(region))
        return opened

    def _region(self, name: str) -> Region:
        found = self._registered.read().get(name)
        if found is None:
            known = ", ".join(sorted(self._registered.read())[:10]) or "none"
            raise NotFoundError(f"no shared-memory region {name[:200]!r} is registered; registered are: {known}")
        return Region(**found)

    def _reopened(self, region: Region) -> int:
        """A region that another worker registered."""
        file = _opened(region.name, region.key)
        status = os.fstat(file)
        if (status.st_dev, status.st_ino) != (region.device, region.inode):
            os.close(file)
            raise InvalidInputError(
                f"{region.key!r} is not the object any more that region {region.name!r} was made of"
            )
        return file

    def _close_stale(self) -> None:
        known = self._registered.read()
        for name, (region, _) in list(self._open.items()):
            if known.get(name) != asdict(region):
                self._forget(name)

    def _forget(self, name: str) -> None:
        opened = self._open.pop(name, None)
        if opened is not None:
            with suppress(OSError):
                os.close(opened[1])


def _part(name: str, key: str, offset: int, byte_size: int) -> tuple[Region, int]:
    """A part of an object, and the object's descriptor."""
    file = _opened(name, key)
    status = os.fstat(file)
    if offset + byte_size > status.st_size:
        os.close(file)
        raise InvalidInputError(
            f"region {name!r} would end at byte {offset + byte_size}, but {key!r} has only {status.st_size}"
        )
    return Region(name, key, offset, byte_size, status.st_dev, status.st_ino), file


def _opened(name: str, key: str) -> int:
    """The object's descriptor."""
    if _KEY.fullmatch(key) is None:
        raise InvalidInputError(
            f"region {name!r}: {key[:200]!r} is not a key of shared memory: a name without '/', but for one in front"
        )
    try:
        file = os.open(_OBJECTS / key.lstrip("/"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInputError(f"region {name!r}: shared memory {key!r} can't be opened: {reason}") from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise InvalidInputError(f"region {name!r}: {key!r} is not shared memory")
    return file


def _shrunk(region: Region) -> str:
    return f"shared memory {region.key!r} of region {region.name!r} has become smaller than the region"
