"""Loading pickles and joblib files under an allow list: an import that is not on it is refused before it happens.

This is the second lock. The first is trust (`trust.py`): no pickle is loaded at all unless its owner said so, and then
in a process of its own. joblib's files are read here without joblib: they are pickles with the bytes of arrays between
the instructions.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from modelport.core.errors import ForbiddenError, InvalidModelError, MissingExtraError, ModelportError
from modelport.runtimes.pickles.names import attack_of, is_allowed, is_among, is_known
from modelport.runtimes.pickles.streams import open_pickle, read_exactly

#: The option of `LoadSpec.options` that carries further allowed names, with commas between them.
ALLOW_GLOBALS = "allow_globals"

_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
#: So many bytes of an array are read at once.
_CHUNK = 16 << 20


def load_pickle(path: Path, allowed: Collection[str] = frozenset()) -> Any:
    """The object in a pickle or joblib file, compressed (zlib, gzip, bz2, xz) or not.

    `allowed` are imports beyond the known ones, as `is_allowed` takes them. Raises ForbiddenError naming an import that
    is not allowed, MissingExtraError where a package that it needs is not installed, and InvalidModelError where the
    file is damaged or does not fit the versions that are installed.
    """
    try:
        with open_pickle(path) as file:
            return restricted_load(file, allowed)
    except ModelportError:
        raise
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path.name} needs the package {_package(error)!r}, which is not installed") from None
    except (EOFError, pickle.UnpicklingError, OSError) as error:
        reason = f"{error}" or "it ends too soon"
        raise InvalidModelError(
            f"{path.name} can't be read: it is damaged, cut short or no pickle ({reason})"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # a pickle calls what it likes: anything may come out of that
        raise InvalidModelError(
            f"{path.name} can't be loaded with the versions that are installed, or is damaged: "
            f"{type(error).__name__}: {error}"
        ) from error


def restricted_load(file: BinaryIO, allowed: Collection[str] = frozenset()) -> Any:
    """The object in an open file (seekable, at the pickle's start). Raises ForbiddenError, and whatever pickle does."""
    start = file.tell()
    try:
        return _FastUnpickler(file, allowed).load()
    except _ArraysInBetweenError:
        file.seek(start)
        return _JoblibUnpickler(file, allowed).load()


def allowed_globals(options: dict[str, str]) -> frozenset[str]:
    """What `LoadSpec.options` says is allowed beyond the known names."""
    return frozenset(item for item in (part.strip() for part in options.get(ALLOW_GLOBALS, "").split(",")) if item)


class _ArraysInBetweenError(Exception):
    """The file was written by joblib: the C unpickler reads ahead, and can't step over arrays."""


class _FastUnpickler(pickle.Unpickler):
    """Python's own, in C, with a list of what may be imported."""

    def __init__(self, file: BinaryIO, allowed: Collection[str]) -> None:
        super().__init__(file)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _WRAPPER:
            raise _ArraysInBetweenError
        return _find(super().find_class, module, name, self._allowed)


#: The one in Python: it reads no further than it has to.
_SlowUnpickler: Any = pickle._Unpickler  # noqa: SLF001


class _JoblibUnpickler(_SlowUnpickler):  # type: ignore[misc]
    """Reads what joblib writes: after the state of each array's wrapper come the array's bytes."""

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = dict(_SlowUnpickler.dispatch)

    def __init__(self, file: BinaryIO, allowed: Collection[str]) -> None:
        super().__init__(file)
        self._raw = file
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _WRAPPER:
            return _ArrayWrapper
        return _find(super().find_class, module, name, self._allowed)

    def load_build(self) -> None:
        super().load_build()
        stack = self.stack
        if isinstance(stack[-1], _ArrayWrapper):
            stack.append(stack.pop().read(self._raw, self._allowed))

    dispatch[pickle.BUILD[0]] = load_build


class _ArrayWrapper:
    """Stands for joblib's class of that name, whose own `read` loads arrays of objects without any list."""

    subclass: Any
    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]
    numpy_array_alignment_bytes: int | None = None

    def read(self, file: BinaryIO, allowed: Collection[str]) -> Any:
        """The array whose bytes come next in the file."""
        if self.dtype.hasobject:
            return restricted_load_here(file, allowed)
        if self.numpy_array_alignment_bytes is not None:
            read_exactly(file, read_exactly(file, 1)[0])
        array = np.empty(self.shape, self.dtype, "F" if self.order == "F" else "C")
        if array.size:
            _fill(array.reshape(-1, order="A").view(np.uint8).data, file)
        return array if self.subclass is np.ndarray else array.view(self.subclass)


def restricted_load_here(file: BinaryIO, allowed: Collection[str]) -> Any:
    """As `restricted_load`, for a pickle amid a file: nothing beyond its end is read."""
    return _JoblibUnpickler(file, allowed).load()


def _fill(view: memoryview, file: BinaryIO) -> None:
    for start in range(0, len(view), _CHUNK):
        part = view[start : start + _CHUNK]
        part[:] = read_exactly(file, len(part))


def _find(find: Callable[[str, str], Any], module: str, name: str, allowed: Collection[str]) -> Any:
    full = f"{module}.{name}"
    if not is_allowed(module, name, allowed):
        does = attack_of(full)
        raise ForbiddenError(
            f"the file asks for {full}, which would {does}: nothing of the kind was imported, and no model needs it. "
            "Do not use this file"
            if does
            else f"the file asks for {full}, which is not known to be harmless: nothing of the kind was imported. "
            f"Where you know what it is for, allow it: --trust-global {full}"
        )
    found = find(module, name)
    if is_known(module, name) and not is_among(full, allowed):
        _check_origin(found, module, full)
    return found


def _check_origin(found: Any, module: str, full: str) -> None:
    """Raise ForbiddenError where a known package gives away something of another's by that name."""
    if not module.startswith(("sklearn.", "scipy.", "xgboost.", "lightgbm.", "catboost.", "torch.")):
        return
    package = module.partition(".")[0]
    origin = str(getattr(found, "__module__", None) or package)
    if isinstance(found, type(sys)) or origin.partition(".")[0] not in (package, *_EXTENSIONS):
        raise ForbiddenError(f"the file asks for {full}, which is {origin}'s and not {package}'s own")


#: Modules compiled from Cython name themselves without their package.
_EXTENSIONS = ("_loss", "_dist_metrics", "_kd_tree", "_ball_tree", "_tree", "_splitter", "_criterion")


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or str(error)).partition(".")[0]
