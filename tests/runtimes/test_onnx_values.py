"""What the ONNX runtime does with values beyond the contract: sequences, maps, text, and failures inside the model."""

import json

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto as T
from onnx_graphs import (
    ML,
    classifier,
    direct,
    identity,
    map_of,
    model,
    node,
    optional_of,
    sequence_of,
    tensor,
    tensor_type,
    value,
    weight,
    zipmap,
)

from modelport.core.declared import declared_tensors
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.onnx.outputs import output_for
from modelport.runtimes.onnx.runtime import ConvertingModel, OnnxRuntime, PlainModel
from modelport.runtimes.onnx.types import parse_type

FLOATS = np.array([1, 2, 3], np.float32)


@pytest.fixture
def load(tmp_path):
    def load(made, **spec):
        path = tmp_path / "m.onnx"
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        return OnnxRuntime().load(path, LoadSpec(threads=1, **spec))

    return load


def shapes(specs):
    return {spec.name: (spec.datatype, spec.shape) for spec in specs}


def test_plain_models_take_the_short_way(load):
    assert type(load(identity())) is PlainModel
    assert type(load(identity(T.STRING))) is ConvertingModel
    assert type(load(classifier()[0])) is PlainModel
    assert type(load(classifier("text")[0])) is ConvertingModel


def test_the_signature_of_sequences_and_maps(load):
    made = model(
        [
            node("SequenceConstruct", ["x", "x"], ["s"]),
            node("ConcatFromSequence", ["q"], ["c"], axis=0),
            node("CastMap", ["m"], ["d"], domain=ML[0], cast_to="TO_FLOAT"),
        ],
        [
            tensor("x", T.FLOAT, ["n", 4]),
            value("q", sequence_of(tensor_type(T.INT64, None))),
            value("m", map_of(T.INT64, tensor_type(T.FLOAT, []))),
        ],
        [
            value("s", sequence_of(tensor_type(T.FLOAT, ["n", 4]))),
            tensor("c", T.INT64, None),
            tensor("d", T.FLOAT, None),
        ],
        domains=[ML],
    )
    signature = load(made).signature
    assert shapes(signature.inputs) == {
        "x": ("FP32", (-1, 4)),
        "q": ("INT64", None),
        "q.shapes": ("INT64", (-1, -1)),
        "m_keys": ("INT64", (1, -1)),
        "m": ("FP32", (1, -1)),
    }
    assert shapes(signature.outputs) == {
        "s": ("FP32", (-1, -1, 4)),
        "s.shapes": ("INT64", (-1, 2)),
        "c": ("INT64", None),
        "d": ("FP32", None),
    }
    assert not signature.rowwise
    assert not signature.batched


@pytest.mark.parametrize(("second", "rowwise"), [("n", True), (None, True), ("k", False)])
def test_inputs_of_two_lengths_are_not_rows(load, second, rowwise):
    made = model(
        [node("Identity", ["x"], ["y"]), node("Identity", ["i"], ["j"])],
        [tensor("x", T.FLOAT, ["n"]), tensor("i", T.FLOAT, [second])],
        [tensor("y", T.FLOAT, ["n"]), tensor("j", T.FLOAT, [second])],
    )
    assert load(made).signature.batched is rowwise


def test_a_shape_that_only_onnx_runtime_knows(load):
    made = identity()
    made.graph.output[0].ClearField("type")
    assert shapes(load(made).signature.outputs) == {"y": ("FP32", (-1, 3))}


def test_an_output_of_length_zero_is_of_any_length(load):
    loaded = load(identity(out=["n", 0]))
    assert shapes(loaded.signature.outputs) == {"y": ("FP32", (-1, -1))}
    assert loaded.predict({"x": np.ones((2, 3), np.float32)})["y"].shape == (2, 3)


def constructed(first, second, of=None):
    return model(
        [node("SequenceConstruct", ["a", "b"], ["s"])],
        [tensor("a", T.FLOAT, first), tensor("b", T.FLOAT, second)],
        [value("s", sequence_of(tensor_type(T.FLOAT, of)))],
    )


def test_a_sequence_of_different_shapes_is_padded_and_says_them(load):
    given = load(constructed(["n"], ["k"], [None])).predict({"a": FLOATS, "b": FLOATS[:2]})
    assert given["s"].tolist() == [FLOATS.tolist(), [*FLOATS[:2].tolist(), 0.0]]
    assert given["s.shapes"].tolist() == [[3], [2]]
    assert given["s.shapes"].dtype == np.int64


def test_a_sequence_of_different_ranks(load):
    with pytest.raises(ModelFailedError) as caught:
        load(constructed(["n"], ["k", 1])).predict({"a": FLOATS, "b": FLOATS[:2].reshape(2, 1)})
    assert str(caught.value) == (
        "output 's' is a sequence of tensors of different shapes ([2, 1], [3]), which one tensor can't hold"
    )


def test_texts_of_different_lengths_are_padded():
    given = {}
    value_ = [np.array(["a", "b"], object), np.array(["c"], object)]
    output_for("s", parse_type("seq(tensor(string))")).give(value_, given)
    assert given["s"].tolist() == [[b"a", b"b"], [b"c", b""]]
    assert given["s.shapes"].tolist() == [[2], [1]]


def joined():
    return model(
        [node("ConcatFromSequence", ["q"], ["c"], axis=0)],
        [value("q", sequence_of(tensor_type(T.INT64, [None, None])))],
        [tensor("c", T.INT64, None)],
    )


def test_a_padded_sequence_is_cut_to_the_shapes_that_are_given(load):
    padded = np.arange(12, dtype=np.int64).reshape(2, 3, 2)
    wanted = {"q": padded, "q.shapes": np.array([[1, 2], [3, 2]])}
    assert load(joined()).predict(wanted)["c"].tolist() == [[0, 1], [6, 7], [8, 9], [10, 11]]
    assert len(load(joined()).predict({"q": padded})["c"]) == 6


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([[1, 2]], "input 'q.shapes' must have shape [2, 2]: a row for each tensor of 'q', and a column for each of its"
                   " axes; it has [1, 2]"),
        ([[1, 2], [4, 2]], "input 'q.shapes' has sizes that are not between 0 and [3, 2]"),
        ([[1, 2], [-1, 2]], "input 'q.shapes' has sizes that are not between 0 and [3, 2]"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_their_sequence(load, given, text):
    with pytest.raises(InvalidInputError) as caught:
        load(joined()).predict({"q": np.zeros((2, 3, 2), np.int64), "q.shapes": np.array(given)})
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [("seq(tensor(int64))", np.int64, (0,)), ("seq(tensor(string))", np.object_, (0,))],
)
def test_an_empty_sequence(kind, dtype, shape):
    given = {}
    output_for("s", parse_type(kind)).give([], given)
    assert (given["s"].dtype, given["s"].shape) == (np.dtype(dtype), shape)


def test_an_empty_sequence_of_known_shape(load):
    made = model(
        [node("SequenceConstruct", ["x"], ["q"]), node("SequenceErase", ["q"], ["s"])],
        [tensor("x", T.FLOAT, ["n", 4])],
        [value("s", sequence_of(tensor_type(T.FLOAT, ["n", 4])))],
    )
    assert load(made).predict({"x": np.ones((2, 4), np.float32)})["s"].shape == (0, 0, 4)


def test_an_empty_stacked_input_is_an_empty_sequence(load):
    made = model(
        [node("SequenceLength", ["s"], ["y"])],
        [value("s", sequence_of(tensor_type(T.FLOAT, [None])))],
        [tensor("y", T.INT64, [])],
    )
    loaded = load(made)
    assert loaded.predict({"s": np.empty((0, 3), np.float32)})["y"] == 0
    assert loaded.predict({"s": np.ones((2, 3), np.float32)})["y"] == 2


def test_scalars_stay_scalars(load):
    given = load(identity(shape=[])).predict({"x": np.array(1.5, np.float32)})["y"]
    assert (given.shape, given) == ((), 1.5)


def test_maps_with_keys_that_only_the_answer_tells():
    output = output_for("z", parse_type("seq(map(string,tensor(float)))"))
    assert shapes(output.specs) == {"z_keys": ("BYTES", (-1, -1)), "z": ("FP32", (-1, -1))}
    given = {}
    output.give([{"a": 1.0, "ü\0": 2.0}, {"a": 3.0, "c": 4.0}], given)
    assert given["z_keys"].tolist() == [[b"a", "ü\0".encode()], [b"a", b"c"]]
    assert given["z"].tolist() == [[1, 2], [3, 4]]
    assert given["z"].dtype == np.float32
    output.give([], given)
    assert (given["z_keys"].shape, given["z"].shape) == ((0, 0), (0, 0))
    with pytest.raises(ModelFailedError, match="output 'z' has maps of 1 to 2 entries, which one tensor can't hold"):
        output.give([{"a": 1.0}, {"a": 1.0, "b": 2.0}], given)


def test_maps_with_text_values():
    given = {}
    output = output_for("m", parse_type("map(int64,tensor(string))"))
    assert shapes(output.specs) == {"m_keys": ("INT64", (1, -1)), "m": ("BYTES", (1, -1))}
    assert not output.rowwise
    output.give({3: "x", 5: "ü"}, given)
    assert given["m_keys"].tolist() == [[3, 5]]
    assert given["m"].tolist() == [[b"x", "ü".encode()]]


def test_zipmap_of_no_rows(load):
    assert load(zipmap(["a", "b"])).predict({"x": np.empty((0, 2), np.float32)})["z"].shape == (0, 2)


def test_zipmap_of_another_width_than_its_labels(load):
    loaded = load(zipmap(["a", "b"], width="w"))
    assert loaded.predict({"x": np.ones((2, 2), np.float32)})["z"].shape == (2, 2)
    with pytest.raises(ModelFailedError, match=r"output 'z' has shape \[2, 3\], but the model names 2 classes"):
        loaded.predict({"x": np.ones((2, 3), np.float32)})


def test_zipmap_that_is_not_cut(load, tmp_path):
    """Its source is an output too, so that it stays and its maps are unpacked."""
    made = zipmap([7, 3])
    made.graph.output.append(tensor("p", T.FLOAT, ["n", 2]))
    loaded = load(made)
    rows = np.array([[1, 2], [3, 4]], np.float32)
    assert direct(tmp_path / "m.onnx", {"x": rows})["z"] == [{3: 2, 7: 1}, {3: 4, 7: 3}]
    assert loaded.predict({"x": rows})["z"].tolist() == rows.tolist()
    assert loaded.predict({"x": rows}, ("p", "z"))["p"].tolist() == rows.tolist()


def test_an_optional_output_without_a_value(load):
    made = model(
        [node("Optional", [], ["o"], type=tensor_type(T.FLOAT, ["n"])), node("Identity", ["x"], ["y"])],
        [tensor("x", T.FLOAT, ["n"])],
        [value("o", optional_of(tensor_type(T.FLOAT, ["n"]))), tensor("y", T.FLOAT, ["n"])],
    )
    loaded = load(made)
    assert loaded.predict({"x": FLOATS}, ("y",))["y"].tolist() == [1, 2, 3]
    with pytest.raises(ModelFailedError, match="output 'o' is optional and has no value for these inputs"):
        loaded.predict({"x": FLOATS})


def test_an_optional_input_that_is_left_out(load):
    made = model(
        [node("OptionalHasElement", ["o"], ["y"])],
        [value("o", optional_of(tensor_type(T.FLOAT, ["n"])))],
        [tensor("y", T.BOOL, [])],
    )
    loaded = load(made)
    assert loaded.signature.input("o").optional
    assert not loaded.predict({})["y"]
    assert loaded.predict({"o": FLOATS})["y"]


@pytest.mark.parametrize(("ir_version", "optional"), [(3, False), (9, True)])
def test_inputs_that_have_a_default(load, ir_version, optional):
    """Since IR version 4 they may be given; before, every weight was listed as an input and none was one."""
    made = model(
        [node("Add", ["x", "w"], ["y"])],
        [tensor("w", T.FLOAT, [3]), tensor("x", T.FLOAT, [3])],
        [tensor("y", T.FLOAT, [3])],
        weights=[weight("w", np.array([10, 20, 30], np.float32))],
        ir_version=ir_version,
        opset=8,
    )
    loaded = load(made)
    assert [(spec.name, spec.optional) for spec in loaded.signature.inputs] == [("x", False), ("w", True)][
        : 1 + optional
    ]
    assert loaded.predict({"x": FLOATS})["y"].tolist() == [11, 22, 33]
    if optional:
        assert loaded.predict({"x": FLOATS, "w": FLOATS})["y"].tolist() == [2, 4, 6]
    with pytest.raises(InvalidInputError, match="missing input 'x'" if optional else "Invalid input name: w"):
        loaded.predict({"w": FLOATS})


TABLE = {"x": {"kind": "tabular", "columns": [{"name": "colour", "categories": ["red", "green"]}, "note"]}}


def texts(*rows):
    return {"x": np.array([[text.encode() for text in row] for row in rows], np.object_)}


@pytest.mark.parametrize("declared", [True, False])
def test_a_text_that_is_no_category_of_its_column(load, declared):
    metadata = {} if declared else {"modelport": json.dumps({"inputs": TABLE})}
    made = identity(T.STRING, ("n", 2), metadata=metadata)
    model = load(made, inputs=declared_tensors(TABLE) if declared else ())
    given = texts(["red", "anything"], ["green", ""])
    assert np.array_equal(model.predict(given)["y"], given["x"])
    assert model.predict({"x": given["x"][:0]})["y"].shape == (0, 2)
    with pytest.raises(InvalidInputError) as caught:
        model.predict(texts(["red", "a"], ["grean", "b"]))
    assert str(caught.value) == (
        "column 'colour' has no category 'grean', in row 1 (did you mean 'green'?); it takes: red, green"
    )
    with pytest.raises(InvalidInputError, match="column 'colour' has no category ''"):
        model.predict(texts(["", "a"]))


def test_text_that_is_not_utf8(load):
    loaded = load(identity(T.STRING, shape=["n"]))
    with pytest.raises(InvalidInputError, match="element 1 of 'x' is not UTF-8 text"):
        loaded.predict({"x": np.array([b"ok", b"\xff"], object)})


def test_a_value_that_the_model_refuses(load):
    made = model(
        [node("Gather", ["x", "i"], ["y"], name="pick")],
        [tensor("x", T.FLOAT, ["n"]), tensor("i", T.INT64, ["k"])],
        [tensor("y", T.FLOAT, ["k"])],
    )
    with pytest.raises(InvalidInputError) as caught:
        load(made).predict({"x": FLOATS, "i": np.array([7])})
    assert str(caught.value) == (
        "the model refused the input: Gather node 'pick': indices element out of data bounds, "
        "idx=7 must be within the inclusive range [-3,2]"
    )


def test_a_shape_that_the_model_refuses(load):
    with pytest.raises(InvalidInputError, match=r"input 'x' has the wrong shape: index: 1 Got: 4 Expected: 3$"):
        load(identity()).predict({"x": np.ones((2, 4), np.float32)})


def test_a_model_that_fails(load, capfd):
    made = model(
        [node("Add", ["a", "b"], ["y"])],
        [tensor("a", T.FLOAT, ["n"]), tensor("b", T.FLOAT, ["k"])],
        [tensor("y", T.FLOAT, None)],
    )
    loaded = load(made)
    with pytest.raises(ModelFailedError) as caught:
        loaded.predict({"a": FLOATS, "b": FLOATS[:2]})
    assert str(caught.value).startswith("the model failed: Add node: ")
    assert str(caught.value).endswith("Attempting to broadcast an axis by a dimension other than 1. 2 by 3")
    assert "onnxruntime" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # raised, so not logged


def test_more_memory_than_there_is(load):
    made = model([node("ConstantOfShape", ["i"], ["y"])], [tensor("i", T.INT64, ["k"])], [tensor("y", T.FLOAT, None)])
    with pytest.raises(ModelFailedError, match="ConstantOfShape node: Failed to allocate memory for requested buffer"):
        load(made).predict({"i": np.array([1 << 40, 1 << 10])})


@pytest.mark.parametrize("element", ["complex64", "float8e4m3fn", "int4"])
def test_element_types_that_the_protocol_lacks(load, element):
    made = identity(getattr(T, element.upper()))
    with pytest.raises(InvalidModelError, match=f"^input 'x' has elements of type {element}, which no datatype"):
        load(made)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (
            sequence_of(sequence_of(tensor_type(T.FLOAT, []))),
            r"seq\(seq\(tensor\(float\)\)\), which can't be made from",
        ),
        (sequence_of(map_of(T.INT64, tensor_type(T.FLOAT, []))), "which can't be made from tensors"),
        (sequence_of(tensor_type(T.BFLOAT16, [])), "is a sequence of bfloat16"),
        (map_of(T.INT64, tensor_type(T.BFLOAT16, [])), "holds bfloat16"),
        (map_of(T.COMPLEX64, tensor_type(T.FLOAT, [])), "has elements of type complex64"),
    ],
)
def test_kinds_of_inputs_that_no_tensor_makes(load, kind, says):
    with pytest.raises(InvalidModelError, match=f"^input 'x'.*{says}"):
        load(model([], [value("x", kind)], [value("x", kind)]))


def test_bfloat16_out_beside_text(load):
    made = model(
        [node("Cast", ["x"], ["y"], to=T.BFLOAT16), node("Identity", ["s"], ["t"])],
        [tensor("x", T.FLOAT, ["n"]), tensor("s", T.STRING, ["n"])],
        [tensor("y", T.BFLOAT16, ["n"]), tensor("t", T.STRING, ["n"])],
    )
    with pytest.raises(
        InvalidModelError, match=r"^m.onnx gives bfloat16 and also has text, .* cast the bfloat16 outputs"
    ):
        load(made)


def test_names_that_would_clash(load):
    made = model(
        [],
        [value("m", map_of(T.INT64, tensor_type(T.FLOAT, []))), tensor("m_keys", T.FLOAT, [1])],
        [tensor("m_keys", T.FLOAT, [1])],
        domains=[ML],
    )
    with pytest.raises(InvalidModelError, match="inputs have the name 'm_keys' twice"):
        load(made)


def test_without_the_bare_run(load, monkeypatch):
    """ONNX Runtime's session has a private attribute that saves time; without it the public way is taken."""

    class Session:
        def __init__(self, *args, **kwargs):
            self._inner = made(*args, **kwargs)

        def __getattr__(self, name):
            if name == "_sess":
                raise AttributeError(name)
            return getattr(self._inner, name)

    made = ort.InferenceSession
    monkeypatch.setattr(ort, "InferenceSession", Session)
    assert load(identity()).predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 1, 1]]


def test_a_closed_model(load):
    loaded = load(identity())
    loaded.close()
    with pytest.raises(ModelFailedError, match="the model is closed"):
        loaded.predict({"x": np.ones((1, 3), np.float32)})
