"""Linear regression on the diabetes data, saved in the two ways in which scikit-learn's models travel.

    python examples/regression/train.py [FOLDER]      (default: examples/regression/models)
    modelport serve examples/regression/models --trust progression-pickle

Serving needs pip install 'modelport[sklearn]'. `progression.skops` holds values and names of types, and runs nothing.
`progression-pickle.pkl` is a program that Python runs when it is loaded, as every pickle is: the server refuses it
unless `--trust` names it, and then loads it in a process of its own.

Both learned from a DataFrame, so that both know their columns by name.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    rows, held_out, wanted, held_out_wanted = split()
    model = LinearRegression().fit(rows, wanted)
    skops.io.dump(model, folder / "progression.skops")
    (folder / "progression-pickle.pkl").write_bytes(pickle.dumps(model))
    error = mean_absolute_error(held_out_wanted, model.predict(held_out))
    blind = mean_absolute_error(held_out_wanted, np.full(len(held_out), wanted.mean()))
    quality = model.score(held_out, held_out_wanted)
    print(
        f"progression: 10 measurements → disease progression; held-out R² {quality:.2f}, "
        f"mean error {error:.0f} where guessing the mean has {blind:.0f} ({len(held_out)} rows)"
    )


def split() -> list[pd.DataFrame | pd.Series]:
    """Training rows, rows that are held out, and what is wanted of both."""
    data = load_diabetes(as_frame=True, scaled=False)
    return train_test_split(data.data, data.target, test_size=0.25, random_state=0)


if __name__ == "__main__":
    main()
