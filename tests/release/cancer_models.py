"""Models of scikit-learn's breast cancer data, good ones and bad ones, and rows that they were not trained on."""

from __future__ import annotations

import csv
import json
import pickle
import textwrap
import warnings
from pathlib import Path

import numpy as np

from modelport.artifacts.local import LocalStore
from modelport.cli.push_inspection import golden_beside, inspect_model
from modelport.db.opening import open_database
from modelport.registry.packing import Said, pack
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.runtimes.trust import NO_TRUST

BY = By("ann", "a test")
#: A model that answers when a file beside the registry says so, and as many at a time as it is asked.
WAITING = """
    import time
    from pathlib import Path
    from typing import Annotated
    import numpy as np
    from modelport import Tensor

    class Waiting:
        def predict(self, x: Annotated[np.ndarray, Tensor("FP32", [-1, 30])]) -> Annotated[
            np.ndarray, Tensor("INT64", [-1])
        ]:
            Path({started!r}).touch()
            while not Path({go!r}).exists():
                time.sleep(0.02)
            return (x[:, 0] < 15).astype(np.int64)
"""


def train(folder: Path) -> Path:
    """`good.onnx`, `bad.onnx` (nearly blind), `narrow.onnx` (20 columns), `good.pkl`, and `test.csv` with its label."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, classes = load_breast_cancer(return_X_y=True)
    rows = rows.astype(np.float32)

    def fitted(strength, used, columns):
        made = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
        return made.fit(rows[used, :columns], classes[used])

    half, few = slice(None, None, 2), slice(0, 40)
    models = {"good": (1.0, half, 30), "bad": (1e-5, few, 30), "narrow": (1.0, half, 20)}
    for name, (strength, used, columns) in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = to_onnx(fitted(strength, used, columns), rows[:1, :columns], options={"zipmap": False})
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString())
    (folder / "good.pkl").write_bytes(pickle.dumps(fitted(1.0, half, 30)))
    with (folder / "test.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{column}" for column in range(rows.shape[1])), "label"])
        writer.writerows([*map(float, row), int(label)] for row, label in zip(rows[1::2], classes[1::2], strict=True))
    return folder


def open_sqlite(home: Path) -> SqlRegistry:
    """The registry in a home folder."""
    return SqlRegistry(open_database(home / "registry.db"), LocalStore(home / "artifacts"))


def push(registry, path: Path, name: str = "fraud", **words) -> int:
    """Push a file as the command does; gives the version."""
    inspected, _ = inspect_model(path, NO_TRUST)
    packed = pack(path, (), inspected, Said("ann"), golden_beside(path))
    return push_packed(registry, name, packed, BY, **words).number


def with_golden(folder: Path, model: Path, *, right: bool) -> Path:
    """A copy of a classifier with a stored request, whose answer is the model's own or another."""
    from runtimes.onnx_graphs import direct

    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / model.name
    copy.write_bytes(model.read_bytes())
    x = np.full((1, 30), 1.0, np.float32)
    label = int(direct(copy, {"X": x}, ["label"])["label"][0])
    document = {
        "inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 30], "data": x.ravel().tolist()}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [label if right else 1 - label]}],
    }
    (folder / "golden.json").write_text(json.dumps(document))
    (folder / "modelport.toml").write_text('[warmup]\nrequests = ["golden.json"]\n')
    return copy


def write_waiting(folder: Path) -> Path:
    """A Python model that says when it is asked (`started`), and answers once there is a file `go`."""
    folder.mkdir(parents=True, exist_ok=True)
    code = textwrap.dedent(WAITING).format(started=str(folder / "started"), go=str(folder / "go"))
    path = folder / "waiting.py"
    path.write_text(code)
    return path
