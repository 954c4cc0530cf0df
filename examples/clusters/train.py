"""K-means on the wine data: 13 measurements of a wine → which of three groups it belongs to.

    python examples/clusters/train.py [FOLDER]      (default: examples/clusters/models)
    modelport serve examples/clusters/models        (pip install 'modelport[sklearn]')

The groups are found without being told the three growers of the wines; how well they agree with the growers is
measured on wines that were held out. The pipeline is saved with skops. Served are the cluster's number (`label`) and,
because `modelport.toml` asks for the method `transform` too, the distance to each cluster's middle.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parent
GROUPS = 3


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    rows, held_out, _, growers = split()
    model = make_pipeline(StandardScaler(), KMeans(GROUPS, n_init=10, random_state=0)).fit(rows)
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    skops.io.dump(model, folder / "wines.skops")
    groups = model.predict(held_out)
    sizes = ", ".join(map(str, np.bincount(groups, minlength=GROUPS)))
    agreement = adjusted_rand_score(growers, groups)
    print(
        f"wines: 13 measurements → one of {GROUPS} groups; {sizes} of the held-out wines in each; adjusted Rand "
        f"index against the growers: {agreement:.2f} (1 is the same, 0 is chance)"
    )


def split() -> list[pd.DataFrame | pd.Series]:
    """Training wines, wines that are held out, and the growers of both."""
    data = load_wine(as_frame=True)
    return train_test_split(data.data, data.target, test_size=0.25, stratify=data.target, random_state=0)


if __name__ == "__main__":
    main()
