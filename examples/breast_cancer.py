"""Breast cancer diagnosis: 30 measurements of the cell nuclei in a biopsy → malignant or benign."""

from __future__ import annotations

from typing import Any

import numpy as np
from export import Trained
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

#: The data set's own words for its ten measurements; it gives no units.
MEASURES = {
    "radius": "mean of the distances from the centre to the points on the perimeter",
    "texture": "standard deviation of the gray-scale values",
    "perimeter": "",
    "area": "",
    "smoothness": "local variation in the radius lengths",
    "compactness": "perimeter² ÷ area − 1",
    "concavity": "severity of the concave portions of the contour",
    "concave points": "number of concave portions of the contour",
    "symmetry": "",
    "fractal dimension": "“coastline approximation” − 1",
}
STATISTICS = {"mean": "mean over the nuclei", "error": "standard error", "worst": "mean of the three largest values"}


def train() -> Trained:
    """Logistic regression on scaled columns; a quarter of the rows is held out."""
    data = load_breast_cancer()
    rows, held_out, classes, held_out_classes = train_test_split(
        data.data, data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, classes)
    labels = data.target_names.tolist()
    accuracy = model.score(held_out, held_out_classes)
    malignant = held_out_classes == labels.index("malignant")
    found = np.mean(model.predict(held_out[malignant]) == labels.index("malignant"))
    return Trained(
        name="breast-cancer",
        model=model,
        input_name="X",
        meaning={
            "description": "Diagnosis of a breast mass from 30 measurements of cell nuclei in a fine needle aspirate. "
            "A demonstration on the Wisconsin data set, not a medical device.",
            "inputs": {"X": {"kind": "tabular", "columns": _columns(data.feature_names.tolist(), data.data)}},
            "outputs": {
                "label": {"kind": "labels", "labels": labels},
                "probabilities": {"kind": "probabilities", "labels": labels},
            },
        },
        held_out=held_out,
        summary=f"30 measurements → malignant or benign; held-out accuracy {accuracy:.3f}, "
        f"{found:.1%} of the malignant found ({len(held_out)} rows)",
    )


def _columns(names: list[str], rows: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "description": _describe(name),
            "minimum": float(column.min()),
            "maximum": float(column.max()),
            "default": float(np.median(column)),
        }
        for name, column in zip(names, rows.T, strict=True)
    ]


def _describe(name: str) -> str:
    """`mean radius` and `radius error`: a measure, and which statistic of it."""
    first, last = name.split(" ", 1)[0], name.rsplit(" ", 1)[-1]
    statistic = first if first in STATISTICS else last
    measure = name.removeprefix(f"{statistic} ").removesuffix(f" {statistic}")
    return "; ".join(filter(None, (MEASURES[measure], STATISTICS[statistic])))
