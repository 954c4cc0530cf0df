"""Diabetes progression: ten measurements of a patient → a measure of how far the disease is one year later."""

from __future__ import annotations

import numpy as np
from export import Trained
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

#: The data set's own words; it gives a unit for the age only.
DESCRIPTIONS = {
    "age": "age",
    "sex": "1 or 2, as the data set codes it",
    "bmi": "body mass index",
    "bp": "average blood pressure",
    "s1": "tc, total serum cholesterol",
    "s2": "ldl, low-density lipoproteins",
    "s3": "hdl, high-density lipoproteins",
    "s4": "tch, total cholesterol ÷ HDL",
    "s5": "ltg, possibly the logarithm of the serum triglycerides level",
    "s6": "glu, blood sugar level",
}
UNITS = {"age": "years"}


def train() -> Trained:
    """Ridge regression on columns as they are measured; a quarter of the patients is held out."""
    data = load_diabetes(scaled=False)
    rows, held_out, wanted, held_out_wanted = train_test_split(data.data, data.target, test_size=0.25, random_state=0)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 30))).fit(rows, wanted)
    error = mean_absolute_error(held_out_wanted, model.predict(held_out))
    blind = mean_absolute_error(held_out_wanted, np.full(len(held_out), np.mean(wanted)))
    columns = [
        {
            "name": name,
            "description": DESCRIPTIONS[name],
            "unit": UNITS.get(name, ""),
            "minimum": float(column.min()),
            "maximum": float(column.max()),
            "default": float(np.median(column)),
        }
        for name, column in zip(data.feature_names, data.data.T, strict=True)
    ]
    quantity = {"kind": "quantity", "description": "disease progression one year after baseline; 25 to 346 in the data"}
    return Trained(
        name="diabetes",
        model=model,
        input_name="X",
        meaning={
            "description": "Progression of diabetes one year after ten baseline measurements (Efron et al., 2004).",
            "inputs": {"X": {"kind": "tabular", "columns": columns}},
            "outputs": {"progression": quantity},
        },
        held_out=held_out,
        summary=f"10 measurements → disease progression; held-out R² {model.score(held_out, held_out_wanted):.2f}, "
        f"mean error {error:.0f} where guessing the mean has {blind:.0f} ({len(held_out)} rows)",
    )
