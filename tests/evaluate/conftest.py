"""Real models and real data sets for the evaluations: iris, breast cancer and diabetes of scikit-learn."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from evaluate.iris_data import IRIS, SPECIES, subject_of, write_csv
from runtimes import onnx_graphs


@pytest.fixture(scope="session")
def iris_rows():
    """[150, 4] measurements and 150 names of species."""
    from sklearn.datasets import load_iris

    rows, classes = load_iris(return_X_y=True)
    return rows, np.array(SPECIES)[classes]


@pytest.fixture(scope="session")
def places(tmp_path_factory, iris_rows):
    """Models: `iris` (names as classes), `named` (columns too), `forest` (numbers as classes), `diabetes`, `text`."""
    folder = tmp_path_factory.mktemp("evaluated")
    models = {
        "iris": onnx_graphs.classifier("text", zipmap=False)[0],
        "forest": onnx_graphs.classifier("int", zipmap=True, kind="forest")[0],
        "diabetes": onnx_graphs.regressor()[0],
        "text": onnx_graphs.text_classifier(),
    }
    for name, content in models.items():
        (folder / f"{name}.onnx").write_bytes(content)
    named = onnx_graphs.onnx.load_from_string(models["iris"])
    columns = [{"name": name, "unit": "cm"} for name in IRIS]
    onnx_graphs.h.set_model_props(
        named, {"modelport": json.dumps({"inputs": {"X": {"kind": "tabular", "columns": columns}}})}
    )
    (folder / "named.onnx").write_bytes(named.SerializeToString())
    rows, species = iris_rows
    sites = np.where(np.arange(len(rows)) % 3 == 0, "north", "south")
    table = [[*row, site, name] for row, site, name in zip(rows, sites, species, strict=True)]
    write_csv(folder / "iris.csv", [*IRIS, "site", "label"], table)
    return SimpleNamespace(folder=folder, **{name: folder / f"{name}.onnx" for name in (*models, "named")})


@pytest.fixture
def iris(places):
    return subject_of(places.iris)


@pytest.fixture
def named(places):
    return subject_of(places.named)
