"""A registry in a folder, with versions of real models trained on data that comes with scikit-learn."""

from __future__ import annotations

import csv
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from modelport.cli.push_inspection import inspect_model
from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.packing import Said, pack
from modelport.registry.records import By, VersionRecord
from modelport.registry.releases import GateRules
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.release.promotion.datasets import store_data
from modelport.runtimes.trust import NO_TRUST

ANN = By("ann", "trained on October")
DIAGNOSES = np.array(["malignant", "benign"])


@cache
def tumour_model(kind: str) -> bytes:
    """A classifier of the breast cancer data as ONNX. `flipped` is wrong, `few columns` takes ten of thirty."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, classes = load_breast_cancer(return_X_y=True)
    rows = rows.astype(np.float32)[:, : 10 if kind == "few columns" else 30]
    classes = 1 - classes if kind == "flipped" else classes
    made = make_pipeline(StandardScaler(), LogisticRegression(C=0.002 if kind == "weak" else 1.0, max_iter=500))
    made.fit(rows, DIAGNOSES[classes])
    return _exported(to_onnx, made, rows)


@cache
def diabetes_model(alpha: float) -> bytes:
    """A regression of the diabetes data as ONNX."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    rows, target = load_diabetes(return_X_y=True)
    return _exported(to_onnx, Ridge(alpha).fit(rows.astype(np.float32), target), rows.astype(np.float32))


def _exported(to_onnx, made, rows) -> bytes:
    options = {"zipmap": False} if hasattr(made, "predict_proba") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return to_onnx(made, rows[:1], options=options, target_opset={"": 18, "ai.onnx.ml": 3}).SerializeToString()


def write_tumours(path: Path) -> Path:
    """The breast cancer data as a table with the column `diagnosis`."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        writer.writerows([*row, DIAGNOSES[kind]] for row, kind in zip(data.data, data.target, strict=True))
    return path


def write_diabetes(path: Path) -> Path:
    """The diabetes data as a table with the column `progression`."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "progression"])
        writer.writerows([*row, value] for row, value in zip(data.data, data.target, strict=True))
    return path


class Home:
    """A registry, and what tests do to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.settings = RegistrySettings(home=str(self.folder))
        self.registry: SqlRegistry = open_registry(self.settings)
        self._files = folder

    def push(self, name: str, content: bytes, by: By = ANN, **given) -> VersionRecord:
        """The next version of a model; `metrics` are told with it."""
        path = self._files / f"{name}.onnx"
        path.write_bytes(content)
        inspected, _ = inspect_model(path, NO_TRUST)
        packed = pack(path, (), inspected, Said(by.who, given.pop("metrics", {})))
        return push_packed(self.registry, name, packed, by, **given)

    def set_gates(self, name: str, path: Path, label: str, *rules: str) -> None:
        """Gates of a model, on a table."""
        sent = store_data(self.registry.store, path, label)
        self.registry.set_gates(name, GateRules(rules, sent.digest, sent.name, label), ANN)

    def close(self) -> None:
        self.registry.close()
