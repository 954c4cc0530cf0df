"""The models that the systems serve, and what is asked of them. Made once, under the peers' folder."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import resnet
from onnx import TensorProto, helper
from requests_to_send import MODEL, ROOT
from triton_peer import home

SIXTEEN_MEGABYTES = 4_194_304


@dataclass(frozen=True)
class Workload:
    """A model and one request for it."""

    model: str
    file: Path
    inputs: dict[str, np.ndarray]

    def right_answer(self) -> dict[str, np.ndarray]:
        """What ONNX Runtime, called directly, gives."""
        session = onnxruntime.InferenceSession(self.file, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, self.inputs), strict=True))


def workloads() -> dict[str, Workload]:
    """By model: breast-cancer (tabular), pixels (moves an image), identity (moves 16 MB), resnet (computes)."""
    if not MODEL.exists():
        subprocess.run([sys.executable, str(ROOT / "examples" / "train.py")], check=True)
    folder = home().parent / "models"
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    image = random.random((1, 3, resnet.SIDE, resnet.SIDE), dtype=np.float32)
    found = [
        Workload("breast-cancer", MODEL, {"X": random.random((1, 30), dtype=np.float32)}),
        Workload("pixels", _pixels(folder / "pixels.onnx"), {"image": image}),
        Workload(
            "identity",
            _identity(folder / "identity.onnx"),
            {"INPUT0": random.random((1, SIXTEEN_MEGABYTES), dtype=np.float32)},
        ),
        Workload("resnet", _resnet(folder / "resnet.onnx"), {"image": image}),
    ]
    return {item.model: item for item in found}


def _resnet(file: Path) -> Path:
    if not file.exists():
        print(f"making {file.name}", flush=True)
        resnet.make(file)
    return file


def _identity(file: Path) -> Path:
    shape = ["rows", "columns"]
    return _one_node(file, helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"]), "INPUT0", shape, "OUTPUT0", shape)


def _pixels(file: Path) -> Path:
    node = helper.make_node("ReduceMean", ["image"], ["means"], axes=[2, 3], keepdims=0)
    return _one_node(file, node, "image", ["rows", 3, resnet.SIDE, resnet.SIDE], "means", ["rows", 3], opset=17)


def _one_node(
    file: Path,
    node: onnx.NodeProto,
    source: str,
    shape: list[object],
    target: str,
    gives: list[object],
    opset: int = 18,
) -> Path:
    value = helper.make_tensor_value_info
    inputs, outputs = [value(source, TensorProto.FLOAT, shape)], [value(target, TensorProto.FLOAT, gives)]
    graph = helper.make_graph([node], file.stem, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    file.write_bytes(model.SerializeToString())
    return file
