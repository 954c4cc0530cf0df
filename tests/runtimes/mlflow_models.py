"""Models that MLflow saves as Python functions, for the tests."""

import contextlib
import warnings

IRIS = """
import mlflow
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


class Scorer(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        rows, classes = load_iris(return_X_y=True, as_frame=True)
        self.model = LogisticRegression(max_iter=500).fit(rows, classes)

    def predict(self, context, model_input, params=None):
        factor = (params or {}).get("factor", 1.0)
        best = self.model.predict_proba(model_input).max(axis=1)
        return pd.DataFrame({"name": self.model.predict(model_input).astype(str), "score": best * factor})


mlflow.models.set_model(Scorer())
"""

TICKETS = """
import mlflow
import pandas as pd


class Tickets(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        hours = model_input["opened"].dt.hour + model_input["age"] + model_input["sizes"].map(sum)
        return pd.DataFrame({
            "hours": hours,
            "tags": [list(map(str, sorted(item))) for item in model_input["about"]],
            "said": model_input["who"].str.upper(),
        })


mlflow.models.set_model(Tickets())
"""

TENSORS = """
import mlflow
import numpy as np


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        if isinstance(model_input, dict):
            return {"sum": model_input["a"] + model_input["b"], "twice": model_input["a"] * 2}
        return np.asarray(model_input).sum(axis=(1, 2))


mlflow.models.set_model(Sum())
"""

TEXTS = """
import mlflow


class Lengths(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


mlflow.models.set_model(Lengths())
"""


def save(folder, source, **options):
    """A folder as MLflow writes it, of a model that is code; gives it back."""
    with quiet():
        import mlflow.pyfunc

        code = folder.with_name(f"{folder.name}_source.py")
        code.write_text(source)
        mlflow.pyfunc.save_model(folder, python_model=str(code), **options)
    return folder


@contextlib.contextmanager
def quiet():
    """Without MLflow's warnings about its own and others' versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def direct(folder, *arguments, **named):
    """What MLflow itself answers."""
    with quiet():
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder)).predict(*arguments, **named)
