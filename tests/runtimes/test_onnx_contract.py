"""The runtime contract, on exported classifiers and on graphs of every kind of input and output."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto as T
from onnx_graphs import (
    ELEMENTS,
    ML,
    as_bytes,
    classifier,
    direct,
    identity,
    map_of,
    model,
    node,
    optional_of,
    regressor,
    sequence_of,
    tensor,
    tensor_type,
    text_classifier,
    value,
    values_of,
    weight,
    zipmap,
)

from modelport.core.datatypes import text_array
from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import runtime_for
from modelport.testing.runtime_contract import ModelCase, RuntimeContract

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def plain_classifier(path):
    content, rows = classifier(zipmap=False)
    path.write_bytes(content)
    return ModelCase(path, {"X": rows}, direct(path, {"X": rows}))


@case
def forest(path):
    content, rows = classifier(zipmap=False, kind="forest")
    path.write_bytes(content)
    return ModelCase(path, {"X": rows}, direct(path, {"X": rows}))


@case
def text_labels(path):
    content, rows = classifier("text", zipmap=False)
    path.write_bytes(content)
    given = direct(path, {"X": rows})
    return ModelCase(path, {"X": rows}, {**given, "label": as_bytes(given["label"])})


def zipped(labels, keys, path):
    content, rows = classifier(labels)
    path.write_bytes(content)
    given = direct(path, {"X": rows})
    label = given["output_label"]
    columns = np.array([[row[key] for key in keys] for row in given["output_probability"]], np.float32)
    label = as_bytes(label) if label.dtype == object else label
    return ModelCase(path, {"X": rows}, {"output_label": label, "output_probability": columns})


@case
def zipmap_of_numbers(path):
    return zipped("int", [0, 1, 2], path)


@case
def zipmap_of_texts(path):
    return zipped("text", ["setosa", "versicolor", "virginica"], path)


@case
def zipmap_in_another_order(path):
    path.write_bytes(zipmap([7, 3, 5]).SerializeToString())
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    given = direct(path, {"x": rows})["z"]
    assert given == [{7: 0, 3: 1, 5: 2}, {7: 3, 3: 4, 5: 5}]
    return ModelCase(path, {"x": rows}, {"z": rows})


@case
def regression(path):
    content, rows = regressor()
    path.write_bytes(content)
    return ModelCase(path, {"X": rows}, direct(path, {"X": rows}))


@case
def text_to_label(path):
    path.write_bytes(text_classifier())
    texts = np.array([b"good", "ünknown".encode(), b""], object)
    given = direct(path, {"text": text_array(texts, "text")})
    broken = np.array([b"good", b"\xff\xfe"], object)
    return ModelCase(path, {"text": texts}, {**given, "label": as_bytes(given["label"])}, refused=({"text": broken},))


def of_element(element, path):
    made = model(
        [node("Identity", ["x"], ["y"]), node("Identity", ["s"], ["t"]), node("Identity", ["u"], ["v"])],
        [tensor("x", element, ["n", 3]), tensor("s", element, []), tensor("u", element, None)],
        [tensor("y", element, ["n", 3]), tensor("t", element, []), tensor("v", element, None)],
    )
    path.write_bytes(made.SerializeToString())
    shapes = {"x": (2, 3), "s": (), "u": (2, 1, 0, 2)}
    inputs = {name: values_of(element, shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    return ModelCase(path, inputs, dict(zip("ytv", inputs.values(), strict=True)))


for _element, _datatype in ELEMENTS.items():
    CASES[f"all_shapes_of_{_datatype}"] = lambda path, element=_element: of_element(element, path)


@case
def bfloat16_in_only(path):
    made = model(
        [node("Cast", ["x"], ["y"], to=T.FLOAT), node("Identity", ["s"], ["t"])],
        [tensor("x", T.BFLOAT16, ["n"]), tensor("s", T.STRING, ["n"])],
        [tensor("y", T.FLOAT, ["n"]), tensor("t", T.STRING, ["n"])],
    )
    path.write_bytes(made.SerializeToString())
    numbers = np.array([1.5, -2, 3e38], ml_dtypes.bfloat16)
    texts = np.array([b"a", b"b", b"c"], object)
    return ModelCase(path, {"x": numbers, "s": texts}, {"y": numbers.astype(np.float32), "t": texts})


@case
def bfloat16_beside_others(path):
    made = model(
        [node("Cast", ["x"], ["y"], to=T.BFLOAT16), node("Identity", ["x"], ["z"])],
        [tensor("x", T.FLOAT, ["n", 2])],
        [tensor("y", T.BFLOAT16, ["n", 2]), tensor("z", T.FLOAT, ["n", 2])],
    )
    path.write_bytes(made.SerializeToString())
    numbers = np.array([[1.5, -2], [3e38, 0.1]], np.float32)
    return ModelCase(path, {"x": numbers}, {"y": numbers.astype(ml_dtypes.bfloat16), "z": numbers})


@case
def default_for_an_input(path):
    made = model(
        [node("Add", ["x", "w"], ["y"])],
        [tensor("x", T.FLOAT, ["n", 2]), tensor("w", T.FLOAT, [2])],
        [tensor("y", T.FLOAT, ["n", 2])],
        weights=[weight("w", np.array([10, 20], np.float32))],
    )
    path.write_bytes(made.SerializeToString())
    return ModelCase(path, {"x": np.ones((3, 2), np.float32)}, {"y": np.array([[11, 21]] * 3, np.float32)})


@case
def sequence_out(path):
    made = model(
        [node("SequenceConstruct", ["a", "b"], ["s"])],
        [tensor("a", T.INT32, ["n"]), tensor("b", T.INT32, ["n"])],
        [value("s", sequence_of(tensor_type(T.INT32, ["n"])))],
    )
    path.write_bytes(made.SerializeToString())
    a, b = np.array([1, 2, 3], np.int32), np.array([4, 5, 6], np.int32)
    return ModelCase(path, {"a": a, "b": b}, {"s": np.stack([a, b]), "s.shapes": np.array([[3], [3]])})


@case
def sequence_in(path):
    made = model(
        [node("ConcatFromSequence", ["s"], ["y"], axis=0)],
        [value("s", sequence_of(tensor_type(T.FLOAT, ["k", 2])))],
        [tensor("y", T.FLOAT, ["n", 2])],
    )
    path.write_bytes(made.SerializeToString())
    stacked = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    return ModelCase(path, {"s": stacked}, {"y": stacked.reshape(6, 2)})


@case
def sequence_of_texts(path):
    kind = sequence_of(tensor_type(T.STRING, ["k"]))
    made = model([node("Identity", ["s"], ["t"])], [value("s", kind)], [value("t", kind)])
    path.write_bytes(made.SerializeToString())
    stacked = values_of(T.STRING, (2, 3))
    made_of = {"t": stacked, "t.shapes": np.array([[3], [3]])}
    return ModelCase(path, {"s": stacked}, made_of, refused=({"s": np.array([[b"\xff"]], object)},))


@case
def map_in(path):
    made = model(
        [node("CastMap", ["m"], ["y"], domain=ML[0], cast_to="TO_FLOAT", map_form="DENSE")],
        [value("m", map_of(T.INT64, tensor_type(T.FLOAT, [])))],
        [tensor("y", T.FLOAT, [1, "n"])],
        domains=[ML],
    )
    path.write_bytes(made.SerializeToString())
    keys, values = np.array([[3, 1]]), np.array([[30, 10]], np.float32)
    short = np.array([[3]])
    return ModelCase(
        path,
        {"m_keys": keys, "m": values},
        {"y": np.array([[10, 30]], np.float32)},
        refused=({"m_keys": short, "m": values},),
    )


@case
def map_out(path):
    kind = map_of(T.INT64, tensor_type(T.FLOAT, []))
    path.write_bytes(model([], [value("m", kind)], [value("m", kind)], domains=[ML]).SerializeToString())
    arrays = {"m_keys": np.array([[1, 3]]), "m": np.array([[10, 30]], np.float32)}
    return ModelCase(path, arrays, arrays)


@case
def optional_values(path):
    made = model(
        [node("OptionalGetElement", ["o"], ["y"]), node("Optional", ["x"], ["p"])],
        [value("o", optional_of(tensor_type(T.FLOAT, ["n"]))), tensor("x", T.STRING, ["n"])],
        [tensor("y", T.FLOAT, ["n"]), value("p", optional_of(tensor_type(T.STRING, ["n"])))],
    )
    path.write_bytes(made.SerializeToString())
    numbers, texts = np.array([1, 2], np.float32), np.array([b"a", b"b"], object)
    return ModelCase(path, {"o": numbers, "x": texts}, {"y": numbers, "p": texts})


@case
def an_index_out_of_range(path):
    made = model(
        [node("Gather", ["x", "i"], ["y"])],
        [tensor("x", T.FLOAT, ["n", 2]), tensor("i", T.INT64, ["k"])],
        [tensor("y", T.FLOAT, ["k", 2])],
    )
    path.write_bytes(made.SerializeToString())
    x, i = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2, 0])
    return ModelCase(path, {"x": x, "i": i}, {"y": x[[2, 0]]}, refused=({"x": x, "i": np.array([3])},))


@case
def a_folder(path):
    path.write_bytes(identity().SerializeToString())
    x = np.ones((2, 3), np.float32)
    return ModelCase(path.parent, {"x": x}, {"y": x}, spec=LoadSpec(threads=2))


class TestOnnx(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return runtime_for("onnx")

    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        folder = tmp_path / "1"
        folder.mkdir()
        return CASES[request.param](folder / "model.onnx")
