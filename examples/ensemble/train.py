"""Two pipelines: a committee of two models, and a router that asks for a second opinion.

    python examples/ensemble/train.py [FOLDER]      (default: examples/ensemble/models)
    modelport serve examples/ensemble/models

A logistic regression and a random forest learn the breast cancer data and are written as ONNX. What makes pipelines of
them stands in `modelport.toml` beside them: no code, and nothing to train. `committee` runs both at once and averages
their probabilities; `second-opinion` sends what the regression calls benign to the forest as
well, because an overlooked tumour is worse than a false alarm.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    rows, held_out, classes, held_out_classes = split()
    models = fit(rows, classes)
    for name, model in models.items():
        graph = to_onnx(model, rows[:1], options={"zipmap": False})
        (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
    for name, told in {**opinions(models, held_out), **composed(models, held_out)}.items():
        print(f"{name}: {_summary(told, held_out_classes)}")


def split() -> list[np.ndarray]:
    """Training rows FP32, rows that are held out, and the classes of both as texts."""
    data = load_breast_cancer()
    classes = data.target_names[data.target].astype(object)
    return train_test_split(data.data.astype(np.float32), classes, test_size=0.25, stratify=classes, random_state=0)


def fit(rows: np.ndarray, classes: np.ndarray) -> dict[str, object]:
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, classes),
        "forest": RandomForestClassifier(100, max_depth=6, random_state=0).fit(rows, classes),
    }


def opinions(models: dict[str, object], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: model.predict(rows) for name, model in models.items()}


def composed(models: dict[str, object], rows: np.ndarray) -> dict[str, np.ndarray]:
    """What the pipelines say, computed here from what scikit-learn says."""
    told = opinions(models, rows)
    mean = np.mean([model.predict_proba(rows) for model in models.values()], axis=0)
    return {
        "committee": models["forest"].classes_[mean.argmax(1)],
        "second-opinion": np.where(told["logistic"] == "benign", told["forest"], told["logistic"]),
    }


def _summary(told: np.ndarray, classes: np.ndarray) -> str:
    malignant = classes == "malignant"
    return (
        f"30 measurements → malignant or benign; held-out accuracy {np.mean(told == classes):.3f}, "
        f"{np.mean(told[malignant] == 'malignant'):.1%} of the malignant found, "
        f"{np.sum(told[~malignant] == 'malignant')} false alarms ({len(classes)} rows)"
    )


if __name__ == "__main__":
    main()
