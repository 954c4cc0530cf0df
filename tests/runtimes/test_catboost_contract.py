"""CatBoost's runtime holds to the contract: every kind of column and loss gives what CatBoost itself gives."""

import numpy as np
import pytest

cb = pytest.importorskip("catboost")
pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("sklearn.datasets")

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.boosting.catboost import CatBoostRuntime  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402

CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


IRIS = datasets.load_iris()
DIABETES = datasets.load_diabetes()
ILL = (DIABETES.target > 140).astype(int)
QUIET = {"iterations": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}


def rows(data):
    found = data[::50].astype(np.float32)
    found[0, 1] = np.nan
    return found


def saved(made, folder):
    made.save_model(folder / "m.cbm")
    return folder / "m.cbm"


def texts(values):
    array = np.empty(len(values), object)
    array[:] = [str(value).encode() for value in values]
    return array


@case
def several_classes(folder):
    named = IRIS.target_names[IRIS.target]
    made = cb.CatBoostClassifier(**QUIET).fit(pd.DataFrame(IRIS.data, columns=IRIS.feature_names), named)
    x = rows(IRIS.data)
    expected = {"label": texts(made.predict(x)[:, 0]), "probabilities": made.predict_proba(x)}
    return ModelCase(saved(made, folder), {"X": x}, expected)


@case
def two_classes(folder):
    made = cb.CatBoostClassifier(**QUIET).fit(DIABETES.data, ILL)
    x = rows(DIABETES.data)
    expected = {"label": made.predict(x), "probabilities": made.predict_proba(x)}
    return ModelCase(saved(made, folder), {"X": x}, expected)


@case
def several_labels(folder):
    made = cb.CatBoostClassifier(loss_function="MultiLogloss", **QUIET)
    made.fit(DIABETES.data, np.column_stack([ILL, 1 - ILL, ILL]))
    x = rows(DIABETES.data)
    expected = {"label": made.predict(x).astype(np.int64), "probabilities": made.predict_proba(x)}
    return ModelCase(saved(made, folder), {"X": x}, expected)


@case
def regression(folder):
    made = cb.CatBoostRegressor(**QUIET).fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.predict(x)})


@case
def counts(folder):
    made = cb.CatBoostRegressor(loss_function="Poisson", **QUIET).fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.predict(x)})


@case
def uncertainty(folder):
    made = cb.CatBoostRegressor(loss_function="RMSEWithUncertainty", **QUIET).fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.predict(x)})


@case
def several_targets(folder):
    made = cb.CatBoostRegressor(loss_function="MultiRMSE", **QUIET)
    made.fit(DIABETES.data, np.column_stack([DIABETES.target, -DIABETES.target]))
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": np.ascontiguousarray(made.predict(x))})


@case
def ranking(folder):
    made = cb.CatBoostRanker(**QUIET).fit(IRIS.data, IRIS.target, group_id=np.repeat(np.arange(10), 15))
    x = rows(IRIS.data)
    return ModelCase(saved(made, folder), {"X": x}, {"score": made.predict(x)})


def shop():
    """A DataFrame with categories of texts and of numbers, and what was bought."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": random.uniform(1, 100, 200),
            "city": random.choice(["Oslo", "Bergen", "Tromsø"], 200),
            "shelf": random.choice([10, 20, 30], 200),
        }
    )
    return frame, ((frame.city == "Oslo") & (frame.shelf > 10)).map({True: "yes", False: "no"})


def categories_of(folder, shelf, declared=()):
    frame, bought = shop()
    made = cb.CatBoostClassifier(**QUIET).fit(frame, bought, cat_features=["city", "shelf"])
    asked = pd.DataFrame({"price": [5.5, np.nan, 90], "city": ["Tromsø", "Rome", "Oslo"], "shelf": [10, 99, 30]})
    asked["price"] = asked.price.astype(np.float32)
    inputs = {"price": asked.price.to_numpy(), "city": texts(asked.city), "shelf": shelf(asked.shelf)}
    expected = {"label": texts(made.predict(asked)), "probabilities": made.predict_proba(asked)}
    return ModelCase(saved(made, folder), inputs, expected, LoadSpec(threads=1, inputs=declared))


@case
def categories(folder):
    return categories_of(folder, texts)


@case
def categories_declared_as_numbers(folder):
    declared = (DeclaredTensor("shelf", "INT64"),)
    return categories_of(folder, lambda values: values.to_numpy(), declared)


@case
def words(folder):
    said = ["where is my parcel", "the parcel is late", "cancel my order", "please cancel it"] * 20
    frame = pd.DataFrame({"said": said, "hour": np.arange(80) % 24 * 1.0})
    meant = ["cancel" in text for text in said]
    made = cb.CatBoostClassifier(**QUIET).fit(frame, np.array(meant, int), text_features=["said"])
    asked = pd.DataFrame({"said": ["my parcel?", "cancel"], "hour": np.array([3, 4], np.float32)})
    expected = {"label": made.predict(asked), "probabilities": made.predict_proba(asked)}
    return ModelCase(saved(made, folder), {"said": texts(asked.said), "hour": asked.hour.to_numpy()}, expected)


@case
def embeddings(folder):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((100, 3)).astype(np.float32)
    frame = pd.DataFrame({"vector": list(vectors), "more": random.standard_normal(100)})
    made = cb.CatBoostClassifier(**QUIET).fit(frame, (vectors[:, 0] > 0).astype(int), embedding_features=["vector"])
    more = np.array([0.5, -1, 2], np.float32)
    asked = pd.DataFrame({"vector": list(vectors[:3]), "more": more})
    expected = {"label": made.predict(asked), "probabilities": made.predict_proba(asked)}
    return ModelCase(saved(made, folder), {"vector": vectors[:3].copy(), "more": more}, expected)


class TestCatBoost(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return CatBoostRuntime()

    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        (tmp_path / "m").mkdir()
        return CASES[request.param](tmp_path / "m")
