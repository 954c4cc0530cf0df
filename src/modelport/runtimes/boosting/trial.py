"""A booster's file tried out: `python -m modelport.runtimes.boosting.trial FORMAT FILE`, in a process of its own.

Checks its trees, loads it, and predicts rows of all kinds. Ends with 0 where the file is sound, with 1 and a text where
it is not, or by the signal that the file would have ended the server with.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.meaning import Tabular
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.core.signature import TensorSpec
from modelport.runtimes.boosting.catboost_structure import check_catboost
from modelport.runtimes.boosting.structure import check_lightgbm, check_xgboost
from modelport.runtimes.catalog import runtime_for

#: Rows of a trial prediction.
_ROWS = 64
_ODD = (0.0, np.nan, np.inf, -np.inf, -1.0, 1e38)
#: What a trial may take: so much, and so many times the file's size.
_MEMORY, _TIMES = 4 << 30, 64


def main(arguments: list[str]) -> int:
    """Try the file out; what is wrong with it goes to standard output."""
    kind, path = arguments[0], Path(arguments[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    room = _MEMORY + _TIMES * path.stat().st_size
    resource.setrlimit(resource.RLIMIT_DATA, (room, room))
    said = os.dup(1)
    os.dup2(2, 1)  # the libraries print to it
    try:
        try_out(path, kind)
    except ModelportError as error:
        os.write(said, str(error).encode()[:4000])
        return 1
    except MemoryError:
        os.write(said, f"{path.name} is damaged: loading it takes more than {room >> 20} MiB".encode())
        return 1
    return 0


def try_out(path: Path, kind: str) -> None:
    """Check, load and predict, in this process. Raises ModelportError; or the process ends."""
    try:
        _check(path, kind)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidModelError(f"{path.name} is cut short or damaged: {type(error).__name__}: {error}") from None
    _predict(runtime_for(kind).load(path, LoadSpec(threads=1)))


def _check(path: Path, kind: str) -> None:
    """What can be told from the bytes: a library that is given nonsense may crash at one time and not at another."""
    content = path.read_bytes()
    if kind == "lightgbm":
        check_lightgbm(content.decode().replace("\r\n", "\n"), path.name)
    else:
        {"xgboost": check_xgboost, "catboost": check_catboost}[kind](content, path.name)


def _predict(loaded: LoadedModel) -> None:
    """What a row is refused for is the row's fault: only the end of the process counts."""
    random = np.random.default_rng(0)
    for scale in (1.0, 1e6):
        try:
            loaded.predict({spec.name: _rows(spec, random, scale) for spec in loaded.signature.inputs})
        except ModelportError:
            continue


def _rows(spec: TensorSpec, random: np.random.Generator, scale: float) -> Array:
    shape = [_ROWS, *(2 if size < 0 else size for size in (spec.shape or ())[1:])]
    if spec.datatype == BYTES:
        categories = spec.meaning.columns[0].categories if isinstance(spec.meaning, Tabular) else ()
        texts = [text.encode() for text in (*categories, "", "0", "1", "a word or two")]
        return np.array([texts[place] for place in random.integers(0, len(texts), shape).ravel()], np.object_).reshape(
            shape
        )
    rows = random.standard_normal(shape) * scale
    if DTYPES[spec.datatype].kind == "f":
        rows[: len(_ODD)] = np.reshape(_ODD, (-1, *[1] * (rows.ndim - 1)))
        rows[len(_ODD) : 2 * len(_ODD)] = np.abs(np.round(rows[len(_ODD) : 2 * len(_ODD)]))  # categories
    with np.errstate(all="ignore"):
        return rows.astype(DTYPES[spec.datatype])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
