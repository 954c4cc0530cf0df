"""A fraud model, as a logistic regression and as a support vector machine, each in ONNX and in PMML.

    python examples/fraud/train.py [FOLDER]      (default: examples/fraud/models)
    modelport serve examples/fraud/models        (PMML: pip install 'modelport[pmml]', and Java)

The payments are made here: one in 25 is fraud, more often large, at night, on the web, abroad, from a new account.
A quarter is held out. `pmml.py` writes the PMML documents; what the columns are stands in `modelport.toml`.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pmml
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

HERE = Path(__file__).resolve().parent
NUMBERS = ["amount", "hour", "account_days"]
CATEGORIES = ["channel", "country"]
CLASSES = ["fraud", "honest"]
PAYMENTS = 12_000
#: A support vector machine's training grows with the square of the rows: it learns from all frauds, and so many others.
HONEST_FOR_SVM = 1200


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    (rows, held_out, classes, held_out_classes) = split()
    for name, model in (("fraud-logistic", logistic(rows, classes)), ("fraud-svm", machine(rows, classes))):
        (folder / f"{name}.onnx").write_bytes(to_onnx(model, name))
        (folder / f"{name}-pmml.pmml").write_text(pmml.document(model, NUMBERS, CATEGORIES))
        print(f"{name}: {summary(model, held_out, held_out_classes)}")


def payments() -> tuple[pd.DataFrame, np.ndarray]:
    """All payments, and the class of each."""
    random = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "amount": np.round(random.lognormal(3.6, 1.1, PAYMENTS), 2),
            "hour": np.round(random.normal(14.5, 4.5, PAYMENTS) % 24, 1),
            "account_days": np.round(random.exponential(800, PAYMENTS)),
            "channel": random.choice(["app", "terminal", "web"], PAYMENTS, p=[0.4, 0.35, 0.25]),
            "country": random.choice(["abroad", "home"], PAYMENTS, p=[0.12, 0.88]),
        }
    )
    at_night = (rows.hour < 6) | (rows.hour > 22)
    suspicion = (
        rows.amount / 50
        + 2.2 * at_night
        + 1.5 * (rows.channel == "web")
        + 1.8 * (rows.country == "abroad")
        - rows.account_days / 600
        - 6
    )
    fraud = random.random(PAYMENTS) < 1 / (1 + np.exp(-suspicion))
    return rows, np.where(fraud, "fraud", "honest")


def split() -> list[pd.DataFrame | np.ndarray]:
    """Training rows, rows that are held out, and the classes of both."""
    rows, classes = payments()
    return train_test_split(rows, classes, test_size=0.25, stratify=classes, random_state=0)


def logistic(rows: pd.DataFrame, classes: np.ndarray) -> Pipeline:
    return make_pipeline(_columns(), LogisticRegression(max_iter=500)).fit(rows, classes)


def machine(rows: pd.DataFrame, classes: np.ndarray) -> Pipeline:
    random = np.random.default_rng(0)
    honest = random.choice(np.flatnonzero(classes == "honest"), HONEST_FOR_SVM, replace=False)
    chosen = np.sort(np.r_[np.flatnonzero(classes == "fraud"), honest])
    return make_pipeline(_columns(), SVC(gamma=0.2)).fit(rows.iloc[chosen], classes[chosen])


def _columns() -> Pipeline:
    return make_column_transformer((StandardScaler(), NUMBERS), (OneHotEncoder(), CATEGORIES))


def to_onnx(model: Pipeline, name: str) -> bytes:
    """The whole pipeline, with an input [-1, 1] for each column; float64, as scikit-learn computes."""
    types = [(column, DoubleTensorType([None, 1])) for column in NUMBERS]
    types += [(column, StringTensorType([None, 1])) for column in CATEGORIES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the converter asks an SVC for what scikit-learn gives up
        graph = convert_sklearn(model, name, initial_types=types, options={"zipmap": False})
    if not hasattr(model, "predict_proba"):
        _tell_decision(graph)
    return graph.SerializeToString()


def _tell_decision(graph: onnx.ModelProto) -> None:
    """For an SVC the converter gives the decision value and its negative, which look like scores of the two classes.

    They are in the other order. In their place stands `decision` [-1], as scikit-learn gives it: above 0 is honest.
    """
    body = graph.graph
    body.initializer.append(onnx.numpy_helper.from_array(np.array(0), "first"))
    body.node.append(helper.make_node("Gather", [body.output[1].name, "first"], ["decision"], axis=1))
    del body.output[1]
    body.output.append(helper.make_tensor_value_info("decision", TensorProto.DOUBLE, [None]))


def summary(model: Pipeline, rows: pd.DataFrame, classes: np.ndarray) -> str:
    """How well it ranks what is held out: accuracy says nothing where one payment in 25 is fraud."""
    fraud = classes == "fraud"
    # the decision function speaks of the second class, and for the logistic regression ranks as probabilities do
    scores = -model.decision_function(rows)
    suspicious = scores >= np.quantile(scores, 0.95)
    return (
        f"held-out ROC AUC {roc_auc_score(fraud, scores):.3f}, average precision "
        f"{average_precision_score(fraud, scores):.2f} where chance has {fraud.mean():.2f}; the 5 % that look worst "
        f"hold {suspicious[fraud].mean():.0%} of the frauds ({len(rows)} payments)"
    )


if __name__ == "__main__":
    main()
