"""MLflow's model folders: the flavour's own file, and what the signature and the example say."""

import json
import warnings

import numpy as np
import pytest

pytest.importorskip("yaml")

from onnx_graphs import identity

from modelport.core.declared import declared_tensors, with_meanings
from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Column, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes import catalog
from modelport.runtimes.repositories.describing import describe


def write(folder, text, *files):
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(text)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    return folder


def test_a_classifier_that_mlflow_saved(tmp_path):
    """The model answers as scikit-learn does, and its form begins with the example."""
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("skops")
    pytest.importorskip("pandas")
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, classes = load_iris(return_X_y=True, as_frame=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of its and others' versions
        import mlflow.sklearn

        model = LogisticRegression(max_iter=500).fit(rows, classes)
        signature = mlflow.models.infer_signature(rows, model.predict(rows))
        mlflow.sklearn.save_model(
            model, tmp_path / "iris", signature=signature, input_example=rows.head(1), serialization_format="skops"
        )
    found = describe(tmp_path / "iris")
    assert (found.name, found.warnings, found.problem) == ("iris", (), "")
    loaded = catalog.load(found.versions[1])
    given = loaded.predict({loaded.signature.inputs[0].name: rows.to_numpy()})
    assert np.array_equal(given["label"], model.predict(rows))
    shown = with_meanings(loaded.signature, declared_tensors(found.tables["inputs"]), ())
    assert [column.default for column in shown.inputs[0].meaning.columns] == [5.1, 3.5, 1.4, 0.2]


ONNX = """
flavors:
  onnx: {data: model.onnx, onnx_version: 1.23.2}
  python_function: {data: model.onnx, loader_module: mlflow.onnx}
signature:
  inputs: '[{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
"""


def test_tensors_of_an_onnx_flavour(tmp_path):
    folder = write(tmp_path / "net", ONNX)
    (folder / "model.onnx").write_bytes(identity().SerializeToString())
    found = describe(folder)
    assert found.versions == {1: folder / "model.onnx"}
    assert found.tables == {"inputs": {"x": {"datatype": "FP32", "shape": [-1, 3]}}}
    rows = np.ones((2, 3), np.float32)
    assert np.array_equal(catalog.load(found.versions[1]).predict({"x": rows})["y"], rows)


@pytest.mark.parametrize(
    ("flavour", "file"),
    [
        ("xgboost: {data: model.ubj}", "model.ubj"),
        ("lightgbm: {data: model.lgb}", "model.lgb"),
        ("catboost: {data: model.cb}", "model.cb"),
        ("sklearn: {pickled_model: model.pkl}", "model.pkl"),
        ("pytorch: {model_data: data}", "data/model.pth"),
        ("tensorflow: {saved_model_dir: tfmodel}", "tfmodel/saved_model.pb"),
        ("tensorflow: {data: data}", "data/model.keras"),
    ],
)
def test_where_the_flavours_keep_their_models(tmp_path, flavour, file):
    folder = write(tmp_path / "m", f"flavors:\n  python_function: {{}}\n  {flavour}\n", file)
    path = folder / file
    assert describe(folder).versions == {1: path.parent if path.name == "saved_model.pb" else path}


def test_flavours_that_can_not_be_served(tmp_path):
    found = describe(write(tmp_path, "flavors: {spark: {}, other: {}}"))
    assert "its flavours are spark, other; Modelport serves onnx, xgboost" in found.problem
    assert "python_function" in found.problem


@pytest.mark.parametrize("text", ["flavors: {python_function: {}}", "flavors: {prophet: {}, python_function: {}}"])
def test_what_only_mlflow_can_load_is_served_by_mlflow(tmp_path, text):
    folder = write(tmp_path / "m", text, "model.py")
    found = describe(folder)
    assert (found.versions, found.tables, found.problem) == ({1: folder}, {}, "")
    assert catalog.detect(folder) == "mlflow"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flavors: [", "MLmodel can't be read"),
        ("- a", "MLmodel must hold a mapping, not list"),
        ("name: x", "names no flavors"),
        ("flavors: {onnx: {data: ../../x.onnx}}", "lies outside of its folder"),
        ("flavors: !!python/object/apply:os.system ['true']", "MLmodel can't be read"),
    ],
)
def test_broken_folders(tmp_path, text, says):
    with pytest.raises(InvalidModelError) as caught:
        describe(write(tmp_path, text))
    assert says in str(caught.value)


def test_what_can_not_be_read_of_a_signature_is_said(tmp_path):
    text = "flavors: {sklearn: {pickled_model: m.pkl}}\nsignature: {inputs: '[', params: '[{}]'}\n"
    found = describe(write(tmp_path, text))
    assert found.tables == {}
    assert found.warnings[0].startswith("the inputs of its signature can't be read")
    assert found.warnings[1] == "the parameters of its signature are not mapped"


COLUMNS = [{"type": "double", "name": "a"}, {"type": "string", "name": "b"}, {"type": "long", "name": "c"}]


def test_an_example_that_can_not_be_read_is_said(tmp_path):
    text = json.dumps(
        {
            "flavors": {"sklearn": {"pickled_model": "m.pkl"}},
            "signature": {"inputs": json.dumps(COLUMNS)},
            "saved_input_example_info": {"type": "dataframe", "artifact_path": "example.json"},
        }
    )
    folder = write(tmp_path, text)
    assert describe(folder).warnings[0].startswith("its input example can't be read")
    (folder / "example.json").write_text('{"columns": ["a", "b", "c"], "data": [[1.5, "x", "y"]]}')
    columns = describe(folder).tables["inputs"]["*"]["columns"]
    assert columns == [
        {"name": "a", "type": "number", "default": 1.5},
        {"name": "b", "type": "text", "default": "x"},
        {"name": "c", "type": "integer"},
    ]


HINT = declared_tensors(
    {"*": {"kind": "tabular", "columns": [{"name": "a", "default": 2}, {"name": "b", "default": 3}]}}
)


@pytest.mark.parametrize(
    ("shape", "own", "defaults"),
    [
        ((-1, 2), None, [2, 3]),
        ((-1, 3), None, None),
        ((-1,), None, None),
        ((-1, 2), Tabular((Column("a", default=9), Column("b"))), [9, 3]),
        ((-1, 2), Tabular((Column("x"), Column("b"))), [None, None]),
        ((-1, 2), Tabular((Column("a"),)), [None]),
    ],
)
def test_a_hint_adds_to_what_the_file_says(shape, own, defaults):
    shown = with_meanings(Signature((TensorSpec("X", "FP64", shape, own),), ()), HINT, ()).inputs[0].meaning
    assert (None if shown is None else [column.default for column in shown.columns]) == defaults


def test_a_hint_for_one_input_says_nothing_of_two():
    two = Signature((TensorSpec("p", "FP64", (-1, 2)), TensorSpec("q", "FP64", (-1, 2))), ())
    assert [spec.meaning for spec in with_meanings(two, HINT, ()).inputs] == [None, None]
