"""A model whose cost is known: so many milliseconds for any batch, and so many more for each row of it.

The work is `Tanh` on tensors of fixed size, counted out for this machine when the model is made. What does not depend
on the rows is multiplied by the sum of the input times zero, so that nobody computes it in advance.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

COLUMNS, _WIDE = 8, 16_384
_BATCH = 8
_RUNS = 25


def make(file: Path, fixed_ms: float, row_ms: float) -> dict[int, float]:
    """Write it. Gives its milliseconds at 1, 2, 4 … 32 rows, by one thread of ONNX Runtime."""
    alone, with_rows = _costs(_model(200, 0))[1], _costs(_model(0, 40))[_BATCH]
    fixed, rows = max(1, round(fixed_ms / alone * 200)), max(1, round(row_ms * _BATCH / with_rows * 40))
    for _ in range(3):  # a little closer each time: the first guess is of other sizes
        model = _model(fixed, rows)
        costs = _costs(model)
        each = max((costs[32] - costs[1]) / 31, 1e-6)
        fixed = max(1, round(fixed * fixed_ms / max(costs[1] - each, 0.01)))
        rows = max(1, round(rows * row_ms / each))
    file.write_bytes(model)
    return costs


def row() -> np.ndarray:
    """One row for it."""
    return np.random.default_rng(0).random((1, COLUMNS), dtype=np.float32)


def _model(fixed: int, rows: int) -> bytes:
    nodes = [
        helper.make_node("ReduceSum", ["X"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nothing"], ["zero"]),
        helper.make_node("Add", ["start", "zero"], ["fixed0"]),
        helper.make_node("MatMul", ["X", "widen"], ["row0"]),
    ]
    nodes += [helper.make_node("Tanh", [f"fixed{n}"], [f"fixed{n + 1}"]) for n in range(fixed)]
    nodes += [helper.make_node("Tanh", [f"row{n}"], [f"row{n + 1}"]) for n in range(rows)]
    nodes += [
        helper.make_node("ReduceSum", [f"fixed{fixed}"], ["rest"], keepdims=0),
        helper.make_node("Mul", ["rest", "nothing"], ["none"]),
        helper.make_node("ReduceMean", [f"row{rows}"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["mean", "none"], ["Y"]),
    ]
    random = np.random.default_rng(0)
    weights = {
        "nothing": np.zeros((), np.float32),
        "start": random.random((1, _WIDE), dtype=np.float32),
        "widen": random.standard_normal((COLUMNS, _WIDE)).astype(np.float32),
    }
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "costly",
        [value("X", TensorProto.FLOAT, ["rows", COLUMNS])],
        [value("Y", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def _costs(model: bytes) -> dict[int, float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = {}
    for count in (1, 2, 4, 8, 16, 32):
        inputs = {"X": np.repeat(row(), count, 0)}
        found[count] = min(_milliseconds(session, inputs) for _ in range(_RUNS))
    return found


def _milliseconds(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> float:
    began = time.perf_counter()
    session.run(None, inputs)
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    print(make(Path("/dev/null"), 4.57, 0.43), onnx.__version__)
