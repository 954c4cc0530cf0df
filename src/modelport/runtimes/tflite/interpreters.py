"""LiteRT's interpreters of one model: each is used by one thread at a time, all share the file's bytes."""

from __future__ import annotations

import queue
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.host import cpu_quota
from modelport.runtimes.tensorflow.stderr import quiet_stderr
from modelport.runtimes.tflite.tensors import by_name

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ai_edge_litert.interpreter import Interpreter


#: Paths of LiteRT's source in its messages.
_PLACE = re.compile(r"\S+\.(cc|h|cpp):\d+:? ?")
#: LiteRT's details of inputs and outputs by name.
Details = tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]


class RefusedShapeError(ValueError):
    """The model can't be made ready for inputs of such shapes."""


class SignatureCaller:
    """An interpreter that runs one of the file's signatures."""

    def __init__(self, content: bytes, threads: int, signature: str) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._runner = self._interpreter.get_signature_runner(signature)

    def details(self) -> Details:
        """LiteRT's details of the inputs and of the outputs, by name."""
        return dict(self._runner.get_input_details()), dict(self._runner.get_output_details())

    def run(self, feeds: dict[str, Any], _places: dict[str, int], outputs: dict[str, int]) -> dict[str, Array]:
        """The outputs by name. They are copies."""
        given = self._runner(**feeds)
        return {name: given[name] for name in outputs}


class TensorCaller:
    """An interpreter that runs a model without signatures: its tensors by their places."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._shapes: dict[int, tuple[int, ...]] = {
            detail["index"]: tuple(map(int, detail["shape"])) for detail in self._interpreter.get_input_details()
        }

    def details(self) -> Details:
        """LiteRT's details of the inputs and of the outputs, by the tensors' names."""
        return by_name(self._interpreter.get_input_details()), by_name(self._interpreter.get_output_details())

    def run(self, feeds: dict[str, Any], places: dict[str, int], outputs: dict[str, int]) -> dict[str, Array]:
        """The outputs by name. They are copies. Raises RefusedShapeError."""
        self._resize({places[name]: np.shape(array) for name, array in feeds.items()})
        for name, array in feeds.items():
            self._interpreter.set_tensor(places[name], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(place) for name, place in outputs.items()}

    def _resize(self, shapes: dict[int, tuple[int, ...]]) -> None:
        if all(self._shapes[place] == shape for place, shape in shapes.items()):
            return
        self._shapes = {}
        try:
            for place, shape in shapes.items():
                self._interpreter.resize_tensor_input(place, shape)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise RefusedShapeError(str(error)) from error
        self._shapes = dict(shapes)


def signature_names(content: bytes, file: str) -> list[str]:
    """The names of the file's signatures. Raises InvalidModelError where LiteRT can't run it."""
    try:
        with quiet_stderr():
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InvalidModelError(_why_not(brief(error), file)) from error
    return list(interpreter.get_signature_list())


def brief(error: Exception) -> str:
    """An error of LiteRT in one line, without places in its source."""
    text = " ".join(str(error).split())
    return _PLACE.sub("", text)[:500] or type(error).__name__


def _why_not(text: str, file: str) -> str:
    flex = re.search(r"\bFlex(\w+)", text)
    if flex:
        return (
            f'{file} uses TensorFlow\'s operation {flex[1]!r} (a "Flex" operation), which LiteRT alone does not have: '
            "convert the model without SELECT_TF_OPS, or serve it as a SavedModel"
        )
    if "unresolved custom op" in text:
        return f"{file} uses a custom operation, which needs the library that defines it: {text}"
    if "Didn't find op for builtin opcode" in text:
        return f"{file} is made for a newer LiteRT than {version('ai-edge-litert')}: {text}"
    if "Flatbuffer" in text:
        return f"{file} is a TensorFlow Lite model that is cut short or damaged: {text}"
    return f"{file} can't be loaded by LiteRT {version('ai-edge-litert')}: {text}"


Caller = SignatureCaller | TensorCaller


class Interpreters:
    """As many interpreters as are used at once, at most one per CPU and prediction."""

    def __init__(self, content: bytes, threads: int, signature: str | None) -> None:
        self._content: bytes | None = content
        self._threads = threads or cpu_quota()
        self._signature = signature
        self._idle: queue.LifoQueue[Caller] = queue.LifoQueue()
        self._free = threading.Semaphore(max(1, cpu_quota() // self._threads))

    @contextmanager
    def one(self) -> Iterator[Caller]:
        """An interpreter for the calling thread; one that fails is not used again."""
        with self._free:
            caller = self._caller()
            yield caller
            if self._content is not None:
                self._idle.put(caller)

    def _caller(self) -> Caller:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        if self._content is None:
            raise ModelFailedError("the model is closed")
        with quiet_stderr():
            if self._signature is None:
                return TensorCaller(self._content, self._threads)
            return SignatureCaller(self._content, self._threads, self._signature)

    def close(self) -> None:
        """Free them."""
        self._content = None
        while not self._idle.empty():
            self._idle.get_nowait()
