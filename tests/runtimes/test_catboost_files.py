"""What CatBoost's runtime reads from a file, and what it says about files, values and options that it can't take."""

import numpy as np
import pytest

cb = pytest.importorskip("catboost")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.errors import InvalidInputError, InvalidModelError  # noqa: E402
from modelport.core.meaning import Column, Labels, Probabilities, Quantity, Tabular, Text  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.boosting.catboost import CatBoostRuntime  # noqa: E402
from modelport.runtimes.catalog import detect  # noqa: E402
from runtimes.test_catboost_contract import CASES, IRIS, texts  # noqa: E402


def load(path, inputs=(), **options):
    return CatBoostRuntime().load(path, LoadSpec(threads=1, options=options, inputs=inputs))


def test_the_signature_of_a_classifier(tmp_path):
    path = CASES["several_classes"](tmp_path).path
    assert detect(path) == "catboost"
    loaded = load(path)
    (spec,) = loaded.signature.inputs
    assert (spec.name, spec.datatype, spec.shape) == ("X", "FP32", (-1, 4))
    assert spec.meaning == Tabular(tuple(Column(name) for name in IRIS.feature_names))
    names = ("setosa", "versicolor", "virginica")
    label, probabilities = loaded.signature.outputs
    assert (label.datatype, label.meaning) == ("BYTES", Labels(names))
    assert (probabilities.datatype, probabilities.shape) == ("FP64", (-1, 3))
    assert probabilities.meaning == Probabilities(names)
    assert loaded.info.framework == f"CatBoost {cb.__version__}"
    assert loaded.info.properties == {"loss": "MultiClass", "trees": "4", "parameters": "4 trees, 256 leaves"}


def test_the_signature_of_mixed_columns(tmp_path):
    specs = load(CASES["categories"](tmp_path).path).signature.inputs
    assert [(spec.name, spec.datatype, spec.shape) for spec in specs] == [
        ("price", "FP32", (-1,)),
        ("city", "BYTES", (-1,)),
        ("shelf", "BYTES", (-1,)),
    ]
    assert all(spec.meaning is None for spec in specs)


def test_only_categories_may_be_declared_as_numbers(tmp_path):
    path = CASES["words"](tmp_path).path
    declared = (DeclaredTensor("said", "INT64"), DeclaredTensor("hour", "FP64"))
    specs = load(path, declared).signature.inputs
    assert [(spec.datatype, spec.meaning) for spec in specs] == [
        ("BYTES", Text()),
        ("FP32", None),
    ]


def test_meanings_of_numbers(tmp_path):
    ranking = load(CASES["ranking"](tmp_path).path).signature.outputs[0]
    assert (ranking.name, ranking.shape, ranking.meaning.kind) == ("score", (-1,), "quantity")
    (tmp_path / "r").mkdir()
    assert load(CASES["regression"](tmp_path / "r").path).signature.outputs[0].meaning == Quantity()


def test_texts_that_are_no_texts(tmp_path):
    made = CASES["categories"](tmp_path)
    with pytest.raises(InvalidInputError, match="element 1 of 'city' is not UTF-8"):
        load(made.path).predict({**made.inputs, "city": np.array([b"a", b"\xff", b"c"], object)})


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = CASES["categories"](tmp_path).path.read_bytes()
    path = tmp_path / "cut.cbm"
    for length in (4, 8, 20, len(content) // 3, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InvalidModelError, match=r"^cut\.cbm can't be loaded by CatBoost"):
            load(path)


def test_another_form_is_refused_with_advice(tmp_path):
    path = tmp_path / "m.cbm"
    model = cb.CatBoostRegressor(iterations=1, verbose=0, allow_writing_files=False).fit(IRIS.data, IRIS.target)
    model.save_model(path, format="json")
    with pytest.raises(
        InvalidModelError, match=r"m\.cbm is no CatBoost model in binary form.*save_model\('model\.cbm'\)"
    ):
        load(path)


def test_options_and_devices(tmp_path):
    path = CASES["regression"](tmp_path).path
    with pytest.raises(InvalidInputError, match="unknown option 'trees'; options of CatBoost models: none"):
        load(path, trees="all")
    with pytest.raises(InvalidInputError, match="device 'gpu' can't be used"):
        CatBoostRuntime().load(path, LoadSpec(device="gpu"))


def test_a_model_without_trees(tmp_path):
    model = cb.CatBoostRegressor(iterations=1, verbose=0, allow_writing_files=False).fit(IRIS.data, IRIS.target)
    model.shrink(0)
    model.save_model(tmp_path / "m.cbm")
    with pytest.raises(InvalidModelError, match=r"m\.cbm has no trees"):
        load(tmp_path / "m.cbm")


def test_rows_of_texts_of_no_length(tmp_path):
    made = CASES["words"](tmp_path)
    given = load(made.path).predict({"said": texts(["", ""]), "hour": np.zeros(2, np.float32)})
    assert given["probabilities"].shape == (2, 2)
