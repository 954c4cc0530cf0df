"""OpenVINO models for the tests: a network trained on the digits that come with scikit-learn, and small graphs."""

import functools

import numpy as np
import onnx
import openvino as ov
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as ops
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

F32 = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}


def rows(count=7):
    return load_digits().data[:count].astype("float32")


@functools.cache
def trained():
    """The weights of a network with one hidden layer, which reads nearly all of the digits."""
    images, labels = load_digits(return_X_y=True)
    network = MLPClassifier((24,), random_state=0, max_iter=200, learning_rate_init=0.01).fit(images / 16, labels)
    assert network.score(images / 16, labels) > 0.95
    return [item.astype("float32") for item in (*network.coefs_, *network.intercepts_)]


def digits_ir(path, document=None):
    """The network as IR: `path` and the .bin file beside it."""
    first, second, bias, other = trained()
    pixels = ops.parameter([-1, 64], ov.Type.f32, name="pixels")
    pixels.output(0).set_names({"pixels"})
    hidden = ops.relu(ops.add(ops.matmul(ops.divide(pixels, np.float32(16)), first, False, False), bias))
    scores = ops.add(ops.matmul(hidden, second, False, False), other)
    scores.output(0).set_names({"scores"})
    best = ops.topk(scores, np.int32(1), 1, "max", "value")
    best.output(1).set_names({"digit"})
    model = ov.Model([ops.result(scores), ops.result(best.output(1))], [pixels], "digits")
    if document is not None:
        model.set_rt_info(document, "modelport")
    ov.serialize(model, str(path), str(path.with_suffix(".bin")))
    return path


def digits_onnx(path, document=None):
    """The same network as ONNX."""
    weights = [numpy_helper.from_array(item, name) for name, item in zip("abcd", trained(), strict=True)]
    weights.append(numpy_helper.from_array(np.float32(16), "most"))
    nodes = [
        helper.make_node("Div", ["pixels", "most"], ["x"]),
        helper.make_node("Gemm", ["x", "a", "c"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "b", "d"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["digit"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 64])]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10]),
        helper.make_tensor_value_info("digit", TensorProto.INT64, ["n"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "digits", inputs, outputs, weights), ir_version=9)
    model.opset_import[0].version = 18
    if document is not None:
        model.metadata_props.add(key="modelport", value=document)
    onnx.save(model, path)
    return path


def joined_ir(path, element):
    """x [-1, 3] twice beside itself, and a scalar as it is, of one element type."""
    x = ops.parameter([-1, 3], getattr(ov.Type, element), name="x")
    s = ops.parameter([], getattr(ov.Type, element), name="s")
    for node, name in ((x, "x"), (s, "s")):
        node.output(0).set_names({name})
    y, t = ops.concat([x, x], 1), ops.reshape(s, np.array([1], np.int32), False)
    y.output(0).set_names({"y"})
    t.output(0).set_names({"t"})
    ov.serialize(ov.Model([ops.result(y), ops.result(t)], [x, s], "joined"), str(path), str(path.with_suffix(".bin")))
    return path


def direct(path, inputs, settings=F32):
    """What OpenVINO gives when it is called by itself, on one thread, by the names of its outputs."""
    compiled = ov.Core().compile_model(str(path), "CPU", settings)
    given = compiled(inputs)
    return {output.get_any_name(): np.array(given[output]) for output in compiled.outputs}
