"""Estimators fitted on scikit-learn's bundled data, what to ask them, and what they give when called directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC


@dataclass
class Fitted:
    """An estimator, the model's inputs, and its outputs."""

    estimator: Any
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    methods: str = ""


MODELS: dict[str, Callable[[], Fitted]] = {}
IRIS = load_iris()
NAMES = np.array([b"setosa", b"versicolor", b"virginica"], object)


def model(make: Callable[[], Fitted]) -> Callable[[], Fitted]:
    MODELS[make.__name__] = make
    return make


def texts(values: Any) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = [str(value).encode() for value in values]
    return array


@model
def classifier_of_texts() -> Fitted:
    named = IRIS.target_names[IRIS.target]
    frame = pd.DataFrame(IRIS.data, columns=IRIS.feature_names)
    made = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(frame, named)
    x = IRIS.data[::30].copy()
    rows = pd.DataFrame(x, columns=IRIS.feature_names)
    return Fitted(
        made, {"X": x}, {"label": texts(made.predict(rows)), "probabilities": made.predict_proba(rows).copy("C")}
    )


@model
def forest_in_a_search() -> Fitted:
    search = GridSearchCV(RandomForestClassifier(n_estimators=5, random_state=0), {"max_depth": [2, 3]}, cv=2)
    made = search.fit(IRIS.data, IRIS.target)
    x = IRIS.data[::40].copy()
    return Fitted(made, {"X": x}, {"label": made.predict(x), "probabilities": made.predict_proba(x)})


@model
def support_vectors() -> Fitted:
    made = SVC().fit(IRIS.data, IRIS.target)
    x = IRIS.data[::40].copy()
    return Fitted(made, {"X": x}, {"label": made.predict(x), "decision": made.decision_function(x)})


@model
def regression() -> Fitted:
    x, y = load_diabetes(return_X_y=True)
    made = LinearRegression().fit(x, y)
    return Fitted(made, {"X": x[:5].copy()}, {"y": made.predict(x[:5].copy())})


@model
def regression_of_two_targets_in_single_precision() -> Fitted:
    x, y = load_diabetes(return_X_y=True)
    x = x.astype(np.float32)
    made = LinearRegression().fit(x, np.column_stack([y, -2 * y]).astype(np.float32))
    rows = x[:4].copy()
    return Fitted(made, {"X": rows}, {"y": made.predict(rows)})


@model
def neighbours() -> Fitted:
    x, y = load_diabetes(return_X_y=True)
    made = KNeighborsRegressor(3).fit(x, y)
    return Fitted(made, {"X": x[:4] + 0.01}, {"y": made.predict(x[:4] + 0.01)})


@model
def clusters() -> Fitted:
    made = KMeans(3, n_init=2, random_state=0).fit(IRIS.data)
    x = IRIS.data[::40].copy()
    return Fitted(made, {"X": x}, {"label": made.predict(x), "transformed": made.transform(x)}, "predict,transform")


@model
def outliers() -> Fitted:
    made = IsolationForest(n_estimators=5, random_state=0).fit(IRIS.data)
    x = np.vstack([IRIS.data[:2], [[100, 100, 100, 100]]])
    return Fitted(made, {"X": x}, {"label": made.predict(x), "decision": made.decision_function(x)})


@model
def scaler_that_works_in_place() -> Fitted:
    made = StandardScaler(copy=False).fit(IRIS.data.copy())
    x = IRIS.data[::40].copy()
    return Fitted(made, {"X": x}, {"transformed": made.transform(x.copy())})


@model
def several_targets() -> Fitted:
    y = np.column_stack([IRIS.target > 0, IRIS.target])
    made = RandomForestClassifier(n_estimators=4, random_state=0).fit(IRIS.data, y)
    x = IRIS.data[::40].copy()
    first, second = made.predict_proba(x)
    return Fitted(made, {"X": x}, {"label": made.predict(x), "probabilities_0": first, "probabilities_1": second})


@model
def text_classifier() -> Fitted:
    said = ["where is my parcel", "the parcel is late", "cancel my order", "please cancel it", "parcel lost", "cancel"]
    meant = ["delivery", "delivery", "cancel", "cancel", "delivery", "cancel"]
    made = make_pipeline(
        FeatureUnion([("words", TfidfVectorizer()), ("letters", TfidfVectorizer(analyzer="char"))]),
        LogisticRegression(),
    ).fit(said, meant)
    asked = ["my parcel?", "cancel, please", "öl"]
    return Fitted(
        made, {"text": texts(asked)}, {"label": texts(made.predict(asked)), "probabilities": made.predict_proba(asked)}
    )


@model
def sparse_words() -> Fitted:
    made = TfidfVectorizer().fit(["one two", "two three three"])
    asked = ["three two", "four"]
    return Fitted(made, {"text": texts(asked)}, {"transformed": made.transform(asked).toarray()})


def people() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, 60).astype(float),
            "city": random.choice(["Oslo", "Bergen", "Tromsø"], 60),
            "plan": random.choice(["free", "paid"], 60),
            "note": random.choice(["will stay", "may go", "will go"], 60),
            "id": np.arange(60),
        }
    )


@model
def mixed_columns() -> Fitted:
    frame = people()
    frame.loc[::7, "city"] = np.nan
    frame.loc[::5, "age"] = np.nan
    columns = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("city", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["city"]),
            ("plan", OrdinalEncoder(), ["plan"]),
            ("note", TfidfVectorizer(), "note"),
            ("rest", "drop", ["id"]),
        ]
    )
    made = make_pipeline(columns, LogisticRegression()).fit(frame, np.where(people().age > 40, "old", "young"))
    rows = pd.DataFrame(
        {
            "age": [30.0, np.nan, 70.0],
            "city": ["Oslo", np.nan, "Tromsø"],
            "plan": ["free", "paid", "paid"],
            "note": ["may stay", "will go", ""],
        }
    )
    inputs = {
        "age": rows.age.to_numpy(),
        "city": np.array([b"Oslo", b"", "Tromsø".encode()], object),
        "plan": texts(rows.plan),
        "note": texts(rows.note),
    }
    expected = {"label": texts(made.predict(rows)), "probabilities": made.predict_proba(rows)}
    return Fitted(made, inputs, expected)


@model
def mixed_columns_without_names() -> Fitted:
    table = people()[["city", "age"]].to_numpy(object)
    columns = ColumnTransformer([("city", OneHotEncoder(), [0]), ("age", StandardScaler(), [1])])
    made = make_pipeline(columns, LinearRegression()).fit(table, np.arange(60.0))
    rows = np.array([["Oslo", 30.0], ["Bergen", 40.0]], object)
    return Fitted(made, {"x0": texts(rows[:, 0]), "x1": np.array([30.0, 40.0])}, {"y": made.predict(rows)})


@model
def digits() -> Fitted:
    x, y = load_digits(return_X_y=True)
    made = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovr")).fit(x[:300], y[:300])
    return Fitted(made, {"X": x[300:303].copy()}, {"label": made.predict(x[300:303])}, "predict")
