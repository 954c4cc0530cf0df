"""What LightGBM's runtime reads from a file, and what it says about files and options that it can't take."""

import re

import pytest

lgb = pytest.importorskip("lightgbm")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from modelport.core.errors import InvalidInputError, InvalidModelError  # noqa: E402
from modelport.core.meaning import Column, Labels, Probabilities, Tabular  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.boosting.lightgbm import LightGBMRuntime  # noqa: E402
from modelport.runtimes.catalog import detect  # noqa: E402
from runtimes.test_lightgbm_contract import CASES  # noqa: E402


def load(path, **options):
    return LightGBMRuntime().load(path, LoadSpec(threads=1, options=options))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A whole file."""
    return CASES["several_classes"](tmp_path_factory.mktemp("whole")).path.read_text()


def test_columns_with_categories(tmp_path):
    path = CASES["categories"](tmp_path).path
    assert detect(path) == "lightgbm"
    signature = load(path).signature
    (spec,) = signature.inputs
    assert (spec.name, spec.datatype, spec.shape) == ("X", "FP64", (-1, 3))
    assert spec.meaning == Tabular(
        (
            Column("price"),
            Column("city", categories=("Bergen", "Oslo", "Tromsø")),
            Column("shelf", categories=("10", "20", "30")),
        )
    )
    assert [spec.meaning for spec in signature.outputs] == [Labels(), Probabilities(("0", "1"))]


def test_what_it_says_about_itself(tmp_path):
    info = load(CASES["several_classes"](tmp_path).path).info
    assert (info.format, info.framework) == ("lightgbm", f"LightGBM {lgb.__version__}")
    assert info.properties.pop("parameters").startswith("12 trees, ")
    assert info.properties == {"objective": "multiclass", "trees": "12", "file_version": "v4"}


def test_a_file_cut_anywhere_is_refused(tmp_path, text):
    """LightGBM's own reader ends the process at some of these places."""
    path = tmp_path / "m.txt"
    end, parameters = text.index("end of trees"), text.index("\nparameters:")
    in_trees = (10, 40, text.index("\n\n"), text.index("Tree=5") + 200, text.index("Tree=11"), end - 1, end + 5)
    behind = (end + 14, parameters, parameters + 30, text.index("end of parameters") + 3, text.index("pandas_cat") + 9)
    for length in (*in_trees, *behind):
        path.write_text(text[:length])
        with pytest.raises(InvalidModelError, match=r"^m\.txt "):
            load(path)


DAMAGE = {
    "a tree without leaves": (r"leaf_value=.*", "", r"m\.txt can't be loaded by LightGBM .*leaf_value"),
    "letters for numbers": (r"threshold=.*", "threshold=a b c", r"m\.txt can't be loaded by LightGBM"),
    "no number of trees": (
        r"num_tree_per_iteration=3",
        "",
        r"m\.txt is damaged: its head lacks num_tree_per_iteration",
    ),
    "a tree less": (r"Tree=4\n", "", r"m\.txt is cut short: its head announces 12 trees, and it has 11"),
    "categories that are no JSON": (
        r"pandas_categorical:.*",
        "pandas_categorical:[[",
        r"m\.txt is damaged: what follows 'pandas_categorical:'",
    ),
    "another first line": (r"^tree\n", "forest\n", r"m\.txt is no LightGBM model in text form"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_is_damaged_inside(tmp_path, text, name):
    pattern, instead, says = DAMAGE[name]
    damaged = re.sub(pattern, instead, text, count=1)
    assert damaged != text
    path = tmp_path / "m.txt"
    path.write_text(damaged)
    with pytest.raises(InvalidModelError, match=says):
        load(path)


def test_options_and_devices(tmp_path, text):
    path = tmp_path / "m.txt"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="unknown option 'trees'; options of LightGBM models: none"):
        load(path, trees="all")
    with pytest.raises(InvalidInputError, match="device 'gpu' can't be used"):
        LightGBMRuntime().load(path, LoadSpec(device="gpu"))
