"""Models that scikit-learn trains on its bundled data, as PMML documents with the rows and results of scikit-learn."""

from __future__ import annotations

import warnings
from functools import cache

from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

from runtimes import pmml_documents as pmml

FLOWER = dict.fromkeys(("sepal_length", "sepal_width", "petal_length", "petal_width"), ())
CLASSES = ("setosa", "versicolor", "virginica")
SPECIES = {"species": CLASSES}
#: The width of a petal from the other three.
THREE, WIDTH = dict.fromkeys(list(FLOWER)[:3], ()), {"petal_width": ()}


def _tree(rows, labels):
    # thresholds lie between values of one decimal, so that FP32 and FP64 agree
    made = DecisionTreeClassifier(max_depth=3, random_state=0).fit(rows, labels)
    return (
        pmml.document(FLOWER, SPECIES, pmml.tree(made, FLOWER, SPECIES, CLASSES)),
        FLOWER,
        rows,
        made.predict_proba(rows),
    )


def _forest(rows, labels):
    made = RandomForestClassifier(5, max_depth=3, random_state=0).fit(rows, labels)
    document = pmml.document(FLOWER, SPECIES, pmml.forest(made, FLOWER, SPECIES, CLASSES))
    return document, FLOWER, rows, made.predict_proba(rows)


def _logistic(rows, labels):
    made = LogisticRegression(max_iter=500).fit(rows, labels)
    document = pmml.document(FLOWER, SPECIES, pmml.logistic(made, FLOWER, SPECIES, CLASSES))
    return document, FLOWER, rows, made.predict_proba(rows)


def _linear(_rows, _labels):
    data = load_diabetes()
    fields, target = dict.fromkeys(data.feature_names, ()), {"progression": ()}
    made = LinearRegression().fit(data.data, data.target)
    document = pmml.document(fields, target, pmml.regression(made, fields, target))
    return document, fields, data.data, made.predict(data.data)


def _vectors(rows, _labels):
    made = SVR().fit(rows[:, :3], rows[:, 3])
    return pmml.document(THREE, WIDTH, pmml.vectors(made, THREE, WIDTH)), THREE, rows[:, :3], made.predict(rows[:, :3])


def _network(rows, _labels):
    made = MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=50, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        made.fit(rows[:, :3], rows[:, 3])
    return pmml.document(THREE, WIDTH, pmml.network(made, THREE, WIDTH)), THREE, rows[:, :3], made.predict(rows[:, :3])


_MADE = {
    "tree": _tree,
    "forest": _forest,
    "logistic": _logistic,
    "linear": _linear,
    "vectors": _vectors,
    "network": _network,
}
MODELS = tuple(_MADE)


@cache
def trained(name):
    """(document, fields, rows, what scikit-learn gives: probabilities, or one number for each row)."""
    return _MADE[name](*load_iris(return_X_y=True))
