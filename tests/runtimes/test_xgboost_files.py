"""What XGBoost's runtime reads from a file, and what it says about files and options that it can't take."""

import json

import numpy as np
import pytest

xgb = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("sklearn.datasets")

from modelport.core.errors import InvalidInputError, InvalidModelError  # noqa: E402
from modelport.core.meaning import Column, Labels, Probabilities, Quantity, Tabular  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.boosting.xgboost import XGBoostRuntime  # noqa: E402
from modelport.runtimes.catalog import detect  # noqa: E402
from runtimes.test_xgboost_contract import CASES, DIABETES, train  # noqa: E402


def load(path, **options):
    return XGBoostRuntime().load(path, LoadSpec(threads=1, options=options))


def test_columns_with_categories(tmp_path):
    path = CASES["categories"](tmp_path).path
    loaded = load(path)
    (spec,) = loaded.signature.inputs
    assert (spec.name, spec.datatype, spec.shape) == ("X", "FP32", (-1, 3))
    assert spec.meaning == Tabular(
        (
            Column("price"),
            Column("city", categories=("Bergen", "Oslo", "Stavanger")),
            Column("shelf", categories=("10", "20", "30")),
        )
    )
    assert [spec.meaning for spec in loaded.signature.outputs] == [Labels(), Probabilities(("0", "1"))]


def test_names_that_xgboost_wrote_wrongly_are_not_read(tmp_path):
    """It counts the letters of a name and cuts its bytes."""
    frame = pd.DataFrame({"c": pd.Categorical(["øB", "ab"] * 20), "d": pd.Categorical(["yes", "no"] * 20)})
    data = xgb.DMatrix(frame, np.arange(40) % 3, enable_categorical=True)
    xgb.train({}, data, 2).save_model(tmp_path / "m.ubj")
    columns = load(tmp_path / "m.ubj").signature.inputs[0].meaning.columns
    assert columns == (Column("c"), Column("d", categories=("no", "yes")))


def test_what_it_says_about_itself(tmp_path):
    info = load(CASES["regression_with_dropout"](tmp_path).path).info
    assert (info.format, info.framework) == ("xgboost", f"XGBoost {xgb.__version__}")
    assert info.properties.pop("parameters").startswith("4 trees, ")
    assert info.properties == {"objective": "reg:squarederror", "booster": "dart", "iterations": "4"}


def test_meanings_of_numbers(tmp_path):
    spec = load(CASES["quantiles"](tmp_path).path).signature.outputs[0]
    assert (spec.shape, spec.meaning) == ((-1, 3), Quantity())
    (tmp_path / "r").mkdir()
    ranking = load(CASES["ranking"](tmp_path / "r").path).signature.outputs[0]
    assert (ranking.name, ranking.shape, ranking.meaning.kind) == ("score", (-1,), "quantity")


@pytest.mark.parametrize("form", ["json", "ubj", "deb"])
def test_the_form_is_told_from_the_content(tmp_path, form):
    path = tmp_path / "model.bin"
    booster = train(DIABETES.data, DIABETES.target)
    path.write_bytes(bytes(booster.save_raw("ubj" if form == "deb" else form)))
    assert detect(path) == "xgboost"
    x = DIABETES.data[:3].astype(np.float32)
    assert load(path).predict({"X": x})["y"].tolist() == booster.predict(xgb.DMatrix(x)).tolist()


@pytest.mark.parametrize("name", ["old.model", "old.deb", "old.bst"])
@pytest.mark.parametrize("content", [b"binf" + bytes(100), b"\0\0\0\x3f\x04\0\0\0" + bytes(100)])
def test_the_old_binary_form_is_refused_with_advice(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert detect(path) == "xgboost"
    with pytest.raises(InvalidModelError, match=rf"{name} is no XGBoost model in JSON.*load it there, and save_model"):
        load(path)


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_a_file_cut_anywhere_is_refused(tmp_path, form):
    """XGBoost's own reader of UBJSON reads on beyond the end."""
    path = tmp_path / f"m.{form}"
    content = bytes(train(DIABETES.data, DIABETES.target).save_raw(form))
    for length in (1, 5, 30, *range(100, len(content), len(content) // 40), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InvalidModelError, match=rf"^m\.{form} "):
            load(path)


def test_a_file_that_is_damaged_inside(tmp_path):
    path = tmp_path / "m.json"
    document = json.loads(bytes(train(DIABETES.data, DIABETES.target).save_raw("json")))
    document["learner"]["gradient_booster"]["name"] = "forest"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidModelError, match=r"m\.json can't be loaded by XGBoost .*forest") as caught:
        load(path)
    assert "Stack trace" not in str(caught.value)
    assert "workspace" not in str(caught.value)


def test_options(tmp_path):
    path = CASES["hinge"](tmp_path).path
    with pytest.raises(InvalidInputError, match=r"unknown option 'tree' \(did you mean 'trees'\?\)"):
        load(path, tree="all")
    with pytest.raises(InvalidInputError, match="option 'trees' is 'some'; it is 'all', 'best'"):
        load(path, trees="some")
    with pytest.raises(InvalidInputError, match="device 'cuda' can't be used"):
        XGBoostRuntime().load(path, LoadSpec(device="cuda"))
