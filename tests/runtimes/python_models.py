"""Python models for tests: files with a class each."""

import textwrap

HEAD = """
import asyncio, ctypes, dataclasses, gc, os, time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, NamedTuple, TypedDict
import numpy as np
from numpy.typing import NDArray
from modelport import Tensor

Rows = Annotated[np.ndarray, Tensor("FP32", [-1, 3])]
"""

DOUBLE = """
class Double:
    def predict(self, x: Rows) -> Rows:
        return x * 2
"""

#: What goes wrong is said by the first number of the request.
TROUBLE = """
class Trouble:
    def load(self, path):
        self.kept = []
        print("a model that makes trouble is loaded", flush=True)

    def predict(self, x: Annotated[np.ndarray, Tensor("FP64", [-1])]) -> Annotated[np.ndarray, Tensor("FP64", [-1])]:
        what = x[0] if len(x) else 0
        if what == 1:
            os._exit(3)
        if what == 2:
            ctypes.string_at(0)
        if what == 3:
            while True:
                time.sleep(1)
        if what == 4:
            self.kept.append(bytearray(3_000_000_000))
        if what == 5:
            raise ValueError("it does not like five")
        if what == 6:
            self.kept.append(x)
            return np.array([float(item.sum()) for item in self.kept])
        if what == 7:
            while True:
                pass
        if what == 8:
            return np.array([os.getpid()], float)
        if what == 9:
            time.sleep(x[1])
        return x
"""

COUNT = """
class Count:
    def predict(self, n: int) -> Iterator[int]:
        try:
            for number in range(n):
                if number == 13:
                    raise ValueError("thirteen")
                if number == 17:
                    os._exit(1)
                yield number
        finally:
            print("the stream is over", flush=True)
"""


def write(folder, source, name="model.py"):
    """The file, with the imports that the classes need."""
    file = folder / name
    file.write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
    return file
