"""What a file that holds pickles would import, found without running any of it.

Pickles, joblib's files (the pickles nested in them too), PyTorch's archives and NumPy's arrays of objects, compressed
or not. A scan advises; what decides is the allow list when the file is loaded (`pickle_names.py`).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from modelport.core.errors import ModelportError
from modelport.runtimes.pickles.machine import Import, Machine, Made
from modelport.runtimes.pickles.names import is_allowed, is_dangerous
from modelport.runtimes.pickles.streams import open_pickle, read_exactly

#: What PyTorch's files of before 1.6 begin with: a pickle of this number, and four more after it.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_PICKLES = 4
_WRAPPER = Import("joblib.numpy_pickle", "NumpyArrayWrapper")
_ENDINGS = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy", ".npz")
_WEIGHTS = (".bin", ".ckpt")
#: The most that is read of one member of an archive.
_MEMBER_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class PickleReport:
    """All imports of a file as `module.name`, sorted: those known from attacks, and those that are not on the list.

    `dangerous` is a part of `unknown`. `error` says why the file is no pickle that can be followed to its end.
    """

    globals: tuple[str, ...] = ()
    dangerous: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    error: str = ""

    @property
    def only_data(self) -> bool:
        """Whether the file was read to its end and asks for nothing but types that are known to hold data."""
        return not self.unknown and not self.error

    def not_in(self, allowed: Collection[str]) -> tuple[str, ...]:
        """Those of `unknown` that the owner does not allow either; see `is_allowed`."""
        return tuple(name for name in self.unknown if not is_allowed(*_parted(name), allowed))

    def without(self, beginning: str) -> PickleReport:
        """The report less the imports whose names begin so."""

        def kept(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in names if not name.startswith(beginning))

        return PickleReport(kept(self.globals), kept(self.dangerous), kept(self.unknown), self.error)


def scan_pickle(path: Path) -> PickleReport:
    """What the file (or the files of a folder) would import. Runs nothing; raises nothing."""
    found: set[Import] = set()
    errors: list[str] = []
    for file in _files(path):
        try:
            _scan_file(file, found)
        except (ModelportError, ValueError, EOFError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
            errors.append(f"{file.name} is no pickle that can be followed to its end: {error}")
        except Exception as error:  # a scanner that fails on a crafted file must say so, and not hide what it saw
            errors.append(f"{file.name} is no pickle that can be followed to its end: {type(error).__name__}: {error}")
    return _report(found, "; ".join(errors))


def _report(found: Collection[Import], error: str) -> PickleReport:
    return PickleReport(
        tuple(sorted(f"{item.module}.{item.name}" for item in found)),
        tuple(sorted(f"{item.module}.{item.name}" for item in found if is_dangerous(item.module, item.name))),
        tuple(sorted(f"{item.module}.{item.name}" for item in found if not is_allowed(item.module, item.name))),
        error,
    )


def _parted(full: str) -> tuple[str, str]:
    module, _, name = full.rpartition(".")
    return module, name


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.is_file() and _may_hold_pickles(file))


def _may_hold_pickles(file: Path) -> bool:
    """By its name; a file of weights of any kind where it begins as a pickle or an archive does."""
    if file.suffix.lower() not in _WEIGHTS:
        return file.suffix.lower() in _ENDINGS
    with file.open("rb") as opened:
        return opened.read(4).startswith((b"\x80", b"PK\x03\x04"))


def _scan_file(path: Path, found: set[Import]) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.lower().endswith(_ENDINGS):
                    _scan_stream(io.BytesIO(_member(archive, member)), found)
        return
    with open_pickle(path) as file:
        _scan_stream(file, found)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        content = file.read(_MEMBER_BYTES + 1)
    if len(content) > _MEMBER_BYTES:
        raise ValueError(f"{member.filename} unpacks to more than {_MEMBER_BYTES >> 20} MiB")
    return content


def _scan_stream(file: BinaryIO, found: set[Import]) -> None:
    if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
        _scan_array(file, found)
        return
    file.seek(0)
    if _scan_one(file, found) == _TORCH_MAGIC:
        for _ in range(_TORCH_PICKLES):
            _scan_one(file, found)


def _scan_array(file: BinaryIO, found: set[Import]) -> None:
    """A `.npy` file: an array of objects is a pickle behind the header."""
    file.seek(0)
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if header[2].hasobject:
        _scan_one(file, found)


def _scan_one(file: BinaryIO, found: set[Import]) -> Any:
    """Follow the pickle that begins here, to its end; gives what it would make, as far as that is known."""
    machine = Machine()
    try:
        for made in machine.follow(file):
            if made.maker == _WRAPPER:
                _step_over(made, file, found)
    finally:
        found.update(machine.imports)
    return machine.result


def _step_over(wrapper: Made, file: BinaryIO, found: set[Import]) -> None:
    """Step over the bytes of an array of joblib's, which stand amid the instructions; follow it where it is a pickle.

    Raises ValueError where the file does not say how many they are.
    """
    state = wrapper.state if isinstance(wrapper.state, dict) else {}
    shape, dtype = state.get("shape"), _dtype(state.get("dtype"))
    if dtype is None or not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("an array of joblib's has no shape or dtype that can be read")
    if dtype.hasobject:
        _scan_one(file, found)
        return
    if state.get("numpy_array_alignment_bytes") is not None:
        read_exactly(file, read_exactly(file, 1)[0])
    file.seek(math.prod(shape) * dtype.itemsize, io.SEEK_CUR)


def _dtype(made: Any) -> np.dtype[Any] | None:
    """The dtype that a call would make, of which only the size matters; None where that can't be told."""
    if not isinstance(made, Made) or not isinstance(made.arguments, tuple) or not made.arguments:
        return None
    code = made.arguments[0]
    if not isinstance(code, str) or not code[1:].isdecimal():
        return None
    return np.dtype(code)
