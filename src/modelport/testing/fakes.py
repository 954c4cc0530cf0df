"""Fakes for tests of whatever stands above a runtime: models that echo, add, fail or wait, without any framework."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelport.core.datatypes import Array, dtype_of
from modelport.core.errors import InvalidModelError, ModelFailedError, ModelportError
from modelport.core.runtime import LoadSpec, ModelInfo
from modelport.core.signature import Shape, Signature, TensorSpec

Answer = Callable[[dict[str, Array]], dict[str, Array]]


class FakeModel:
    """A LoadedModel that answers by a function. `calls` and `rows` tell what it was asked; thread-safe."""

    def __init__(self, signature: Signature, answer: Answer, name: str = "fake") -> None:
        self.signature = signature
        self.info = ModelInfo(format="fake", platform="modelport_fake", framework=f"{name} fake")
        self.closed = False
        self.calls = 0
        #: Rows (the first input's first axis) of each call, in the order they came.
        self.rows: list[int] = []
        self._answer = answer
        self._lock = threading.Lock()

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Answer, and keep count. Raises ModelFailedError once it is closed."""
        self.signature.check_inputs(inputs)
        if outputs is not None:
            self.signature.check_outputs(outputs)
        first = next(iter(inputs.values()), None)
        with self._lock:
            self.calls += 1
            self.rows.append(len(first) if first is not None and first.ndim else 1)
        if self.closed:
            raise ModelFailedError("the model is closed")
        given = self._answer(inputs)
        return given if outputs is None else {name: given[name] for name in outputs}

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class FakeRuntime:
    """A Runtime for small JSON files such as `{"fake": "echo", "datatype": "FP32", "shape": [-1, 2]}`.

    `fake` is `echo`, `add` or `failing`. `loaded` lists what was loaded, in order.
    """

    def __init__(self) -> None:
        self.loaded: list[FakeModel] = []

    def load(self, path: Path, spec: LoadSpec) -> FakeModel:
        """Load the model that the file describes. Raises InvalidModelError where it describes none."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            make = _KINDS[document["fake"]]
            shape = document.get("shape", [-1])
            dtype_of(document.get("datatype", "FP32"))
            model = make(document.get("datatype", "FP32"), None if shape is None else tuple(shape))
        except (OSError, ValueError, TypeError, KeyError, ModelportError) as error:
            raise InvalidModelError(f"{path.name} describes no fake model: {error!r}") from None
        self.loaded.append(model)
        return model


class Gate:
    """What a slow model waits at: `reached` once it has begun, until `open` is called. Times out rather than hangs."""

    def __init__(self, timeout: float = 10.0) -> None:
        self._reached = threading.Semaphore(0)
        self._opened = threading.Event()
        self._timeout = timeout

    def wait_until_reached(self) -> bool:
        """Wait until one more prediction stands at the gate; False where none came in time."""
        return self._reached.acquire(timeout=self._timeout)

    def open(self) -> None:
        """Let through what stands at the gate, and all that comes later."""
        self._opened.set()

    def pass_through(self) -> None:
        """Stand at the gate until it is open. Raises ModelFailedError where it never is."""
        self._reached.release()
        if not self._opened.wait(self._timeout):
            raise ModelFailedError(f"nobody opened the gate within {self._timeout} s")


def echo_model(datatype: str = "FP32", shape: Shape = (-1,)) -> FakeModel:
    """`y` is a copy of `x`."""
    return FakeModel(_signature(("x",), datatype, shape), lambda inputs: {"y": _copy(inputs["x"])}, "echo")


def add_model(datatype: str = "FP32", shape: Shape = (-1,)) -> FakeModel:
    """`y` is `a` + `b`."""

    def answer(inputs: dict[str, Array]) -> dict[str, Array]:
        total: Array = np.add(inputs["a"], inputs["b"], dtype=dtype_of(datatype))
        return {"y": total}

    return FakeModel(_signature(("a", "b"), datatype, shape), answer, "add")


def failing_model(datatype: str = "FP32", shape: Shape = (-1,), error: Exception | None = None) -> FakeModel:
    """Raises `error` (a ModelFailedError unless told) at every prediction."""
    raised = error or ModelFailedError("the model failed: it always does")

    def answer(inputs: dict[str, Array]) -> dict[str, Array]:
        raise raised

    return FakeModel(_signature(("x",), datatype, shape), answer, "failing")


def slow_model(gate: Gate, datatype: str = "FP32", shape: Shape = (-1,)) -> FakeModel:
    """As `echo_model`, once the gate is open."""

    def answer(inputs: dict[str, Array]) -> dict[str, Array]:
        gate.pass_through()
        return {"y": _copy(inputs["x"])}

    return FakeModel(_signature(("x",), datatype, shape), answer, "slow")


def _signature(inputs: tuple[str, ...], datatype: str, shape: Shape) -> Signature:
    return Signature(
        inputs=tuple(TensorSpec(name, datatype, shape) for name in inputs),
        outputs=(TensorSpec("y", datatype, shape),),
    )


def _copy(array: Array) -> Array:
    return array.copy(order="C")


_KINDS: dict[str, Callable[[str, Shape], FakeModel]] = {
    "echo": echo_model,
    "add": add_model,
    "failing": failing_model,
}
