"""What the tensors of ONNX models mean: written in the file, or told from how exporters name them."""

import json

import pytest
from onnx import TensorProto as T
from onnx_graphs import classifier, identity, model, node, regressor, tensor, text_classifier, zipmap

from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Column, Image, Labels, Probabilities, Quantity, Tabular, Text
from modelport.core.runtime import LoadSpec
from modelport.runtimes.onnx.runtime import OnnxRuntime

IRIS = ("setosa", "versicolor", "virginica")


@pytest.fixture
def meanings(tmp_path):
    """What each tensor of a model means, inputs and outputs together."""

    def meanings(made):
        path = tmp_path / "m.onnx"
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        signature = OnnxRuntime().load(path, LoadSpec(threads=1)).signature
        return {spec.name: spec.meaning for spec in (*signature.inputs, *signature.outputs)}

    return meanings


def written(document, **options):
    text = document if isinstance(document, str) else json.dumps(document)
    return identity(metadata={"modelport": text}, **options)


def test_meanings_that_are_written_in_the_file(meanings):
    columns = ["height", {"name": "weight", "unit": "kg", "minimum": 0}, "age"]
    document = {
        "inputs": {"x": {"kind": "tabular", "columns": columns}},
        "outputs": {"y": {"kind": "quantity", "unit": "m"}},
    }
    assert meanings(written(document)) == {
        "x": Tabular((Column("height"), Column("weight", unit="kg", minimum=0), Column("age"))),
        "y": Quantity(unit="m"),
    }


def test_a_picture(meanings):
    document = {"inputs": {"x": {"kind": "image", "height": 8, "width": 8, "layout": "flat", "ink": "light"}}}
    given = meanings(written(document, shape=["n", 64]))
    assert given == {"x": Image(8, 8, layout="flat", ink="light"), "y": None}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "its metadata property 'modelport' is not JSON: Expecting property name"),
        ("[" * 100_000, "its metadata property 'modelport' is not JSON: maximum recursion"),
        ([], "it must be an object with 'description', 'inputs' and 'outputs'"),
        ({"input": {}}, "unknown field 'input' (did you mean 'inputs'?); the fields are"),
        ({"description": 1}, "'description' must be a text"),
        ({"inputs": []}, "'inputs' must be an object: name of a tensor → what it means"),
        ({"inputs": {"xx": {}}}, "the model has no input 'xx' (did you mean 'x'?); its inputs are 'x'"),
        ({"outputs": {"y": 3}}, "output 'y': a meaning must be an object with a 'kind', not 3"),
        ({"outputs": {"y": {"kind": "label"}}}, "output 'y': unknown kind 'label' (did you mean 'labels'?); the kinds"),
        (
            {"inputs": {"x": {"kind": "tabular", "columns": ["a", "b"]}}},
            "input 'x': 2 columns are named, but the tensor is x FP32 [-1, 3]",
        ),
        (
            {"outputs": {"y": {"kind": "probabilities", "labels": ["a"]}}},
            "output 'y': 1 labels are named, but the tensor is y FP32 [-1, 3]",
        ),
        (
            {"inputs": {"x": {"kind": "text"}}},
            "input 'x': a text needs a BYTES tensor, but the tensor is x FP32 [-1, 3]",
        ),
        (
            {"inputs": {"x": {"kind": "image", "height": 2, "width": 2}}},
            "input 'x': [2, 2, 1] per picture don't fit the tensor, which is x FP32 [-1, 3]",
        ),
    ],
)
def test_malformed_meanings(meanings, document, says):
    with pytest.raises(InvalidModelError) as caught:
        meanings(written(document))
    assert str(caught.value).startswith("m.onnx: its metadata property 'modelport' is ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "zipmap", "label", "expected", "scores"),
    [
        ("int", True, "output_label", ("0", "1", "2"), ("0", "1", "2")),
        ("int", False, "label", ("0", "1", "2"), ("0", "1", "2")),
        ("text", True, "output_label", IRIS, IRIS),
        ("text", False, "label", IRIS, IRIS),
        ("sparse", True, "output_label", (), ("3", "5", "7")),
    ],
)
@pytest.mark.parametrize("kind", ["logistic", "forest"])
def test_an_exported_classifier(meanings, labels, zipmap, label, expected, scores, kind):
    given = meanings(classifier(labels, zipmap, kind)[0])
    probabilities = "output_probability" if zipmap else "probabilities"
    assert given == {"X": None, label: Labels(expected), probabilities: Probabilities(scores)}


def test_a_zipmap_alone_is_probabilities(meanings):
    assert meanings(zipmap(["b", "a"])) == {"x": None, "z": Probabilities(("b", "a"))}


def test_an_exported_regression(meanings):
    assert set(meanings(regressor()[0]).values()) == {None}


def test_what_the_file_says_comes_before_what_exporters_do(meanings):
    import onnx

    made = onnx.load_from_string(classifier("int", zipmap=False)[0])
    document = {"outputs": {"label": {"kind": "labels", "labels": list(IRIS)}}}
    onnx.helper.set_model_props(made, {"modelport": json.dumps(document)})
    given = meanings(made)
    assert given["label"] == Labels(IRIS)
    assert given["probabilities"] == Probabilities(("0", "1", "2"))


def test_text(meanings):
    assert meanings(text_classifier())["text"] == Text()
    assert meanings(identity(T.STRING, shape=["n", 1]))["x"] == Text()
    assert meanings(identity(T.STRING, shape=["n", 2]))["x"] is None


def test_two_texts_are_not_one(meanings):
    made = model(
        [node("Identity", ["a"], ["c"])],
        [tensor("a", T.STRING, ["n"]), tensor("b", T.STRING, ["n"])],
        [tensor("c", T.STRING, ["n"])],
    )
    assert set(meanings(made).values()) == {None}


def test_a_label_without_probabilities_is_only_a_number(meanings):
    made = model([node("Identity", ["x"], ["label"])], [tensor("x", T.INT64, ["n"])], [tensor("label", T.INT64, ["n"])])
    assert meanings(made)["label"] is None
