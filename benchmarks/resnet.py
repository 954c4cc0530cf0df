"""A network of ResNet-18's size, made here: resnet.py FILE

The layers are those of ResNet-18 for 224 × 224 pictures (He and others, "Deep Residual Learning", table 1), with batch
normalisation folded away: 11 million weights, 1.8 billion multiplications. The convolutions are drawn at random; the
last layer is trained on their features of scikit-learn's digits, which is quick and needs no framework: 10 seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

SIDE = 224
WIDTHS = (64, 128, 256, 512)
_EXAMPLES, _HELD_OUT = 400, 100


class _Network:
    """Nodes and weights, collected layer by layer."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def conv(self, source: str, name: str, inputs: int, outputs: int, size: int, stride: int, gain: float = 1.0) -> str:
        scale = gain * np.sqrt(2 / (inputs * size * size))
        weight = self._random.standard_normal((outputs, inputs, size, size), np.float32) * np.float32(scale)
        self.weights.append(numpy_helper.from_array(weight, f"{name}.weight"))
        self.weights.append(numpy_helper.from_array(np.zeros(outputs, np.float32), f"{name}.bias"))
        self.add(
            "Conv",
            [source, f"{name}.weight", f"{name}.bias"],
            name,
            strides=[stride, stride],
            pads=[size // 2] * 4,
            kernel_shape=[size, size],
        )
        return name

    def add(self, kind: str, sources: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, sources, [name], **attributes))
        return name

    def block(self, source: str, name: str, inputs: int, outputs: int, stride: int) -> str:
        first = self.add("Relu", [self.conv(source, f"{name}.1", inputs, outputs, 3, stride)], f"{name}.relu")
        second = self.conv(first, f"{name}.2", outputs, outputs, 3, 1, gain=0.5)
        if inputs != outputs:
            source = self.conv(source, f"{name}.short", inputs, outputs, 1, stride, gain=0.7)
        return self.add("Relu", [self.add("Add", [source, second], f"{name}.sum")], f"{name}.out")


def make(file: Path) -> float:
    """Train it and write it. Gives its accuracy on digits that it was not trained on."""
    network = _Network()
    features = _body(network)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))[: _EXAMPLES + _HELD_OUT]
    images, labels = _pictures(digits.images[order]), digits.target[order]
    seen = _run(_model(network, features, [None, WIDTHS[-1]]), images)
    scaler = StandardScaler().fit(seen[:_EXAMPLES])
    head = LogisticRegression(max_iter=500, C=0.1).fit(scaler.transform(seen[:_EXAMPLES]), labels[:_EXAMPLES])
    weight = (head.coef_ / scaler.scale_).T.astype(np.float32)
    bias = (head.intercept_ - scaler.mean_ @ weight).astype(np.float32)
    network.weights += [numpy_helper.from_array(weight, "head.weight"), numpy_helper.from_array(bias, "head.bias")]
    network.add("Gemm", [features, "head.weight", "head.bias"], "head")
    network.add("Softmax", ["head"], "probabilities", axis=1)
    model = _model(network, "probabilities", ["rows", 10])
    file.write_bytes(model)
    right = _run(model, images[_EXAMPLES:]).argmax(1) == labels[_EXAMPLES:]
    return float(right.mean())


def _body(network: _Network) -> str:
    at = network.add("Relu", [network.conv("image", "stem", 3, WIDTHS[0], 7, 2)], "stem.relu")
    at = network.add("MaxPool", [at], "stem.pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = WIDTHS[0]
    for stage, outputs in enumerate(WIDTHS):
        for number in range(2):
            stride = 2 if stage and not number else 1
            at = network.block(at, f"stage{stage}.{number}", inputs, outputs, stride)
            inputs = outputs
    return network.add("Flatten", [network.add("GlobalAveragePool", [at], "pool")], "features")


def _model(network: _Network, output: str, shape: list[object]) -> bytes:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        network.nodes,
        "resnet",
        [value("image", TensorProto.FLOAT, ["rows", 3, SIDE, SIDE])],
        [value(output, TensorProto.FLOAT, ["rows", *shape[1:]])],
        network.weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def _pictures(images: np.ndarray) -> np.ndarray:
    """8 × 8 grey digits as 3 × 224 × 224, from 0 to 1."""
    big = np.kron(images / 16, np.ones((SIDE // 8, SIDE // 8))).astype(np.float32)
    return np.repeat(big[:, None], 3, 1)


def _run(model: bytes, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": images[at : at + 20]})[0] for at in range(0, len(images), 20)])


if __name__ == "__main__":
    print(f"accuracy on {_HELD_OUT} digits that it was not trained on: {make(Path(sys.argv[1])):.0%}")
