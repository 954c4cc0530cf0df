"""Estimators of XGBoost, LightGBM and CatBoost inside pickles hold to the contract like scikit-learn's own."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from modelport.core.errors import InvalidInputError  # noqa: E402
from modelport.core.meaning import Column, Tabular  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.sklearn.runtime import PickleRuntime  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402
from runtimes.sklearn_models import IRIS, texts  # noqa: E402

CASES = {}
SMALL = {"n_estimators": 4}


def case(make):
    CASES[make.__name__] = make
    return make


def flowers():
    return pd.DataFrame(IRIS.data, columns=IRIS.feature_names)


def shop():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": random.uniform(1, 100, 200),
            "city": pd.Categorical(random.choice(["Oslo", "Bergen", "Stavanger"], 200)),
            "shelf": pd.Categorical(random.choice([10, 20, 30], 200)),
        }
    )
    return frame, ((frame.city == "Oslo") & (frame.shelf != 10)).astype(int)


def of_flowers(make):
    made = make.fit(flowers(), IRIS.target)
    x = IRIS.data[::40].copy()
    asked = pd.DataFrame(x, columns=IRIS.feature_names)
    expected = {"label": np.asarray(made.predict(asked), np.int64).ravel(), "probabilities": made.predict_proba(asked)}
    return made, {"X": x}, expected


def of_the_shop(make, **fit):
    frame, bought = shop()
    made = make.fit(frame, bought, **fit)
    asked = frame[:9]
    inputs = {"price": asked.price.to_numpy(), "city": texts(asked.city), "shelf": np.asarray(asked.shelf, np.int64)}
    expected = {"label": np.asarray(made.predict(asked), np.int64), "probabilities": made.predict_proba(asked)}
    assert len(set(expected["probabilities"][:, 1].tolist())) > 1
    return made, inputs, expected


@case
def xgboost():
    return of_flowers(pytest.importorskip("xgboost").XGBClassifier(n_jobs=1, **SMALL))


@case
def xgboost_with_categories():
    return of_the_shop(pytest.importorskip("xgboost").XGBClassifier(n_jobs=1, enable_categorical=True, **SMALL))


@case
def lightgbm():
    return of_flowers(pytest.importorskip("lightgbm").LGBMClassifier(n_jobs=1, verbose=-1, **SMALL))


@case
def lightgbm_with_categories():
    made = pytest.importorskip("lightgbm").LGBMClassifier(n_jobs=1, verbose=-1, cat_smooth=0, **SMALL)
    return of_the_shop(made)


def catboost_classifier(**parameters):
    catboost = pytest.importorskip("catboost")
    return catboost.CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False, **parameters)


@case
def catboost():
    return of_flowers(catboost_classifier())


@case
def catboost_with_categories():
    frame, bought = shop()
    frame = frame.assign(city=frame.city.astype(str), shelf=frame.shelf.astype(int))
    made = catboost_classifier(cat_features=["city"]).fit(frame, bought)
    inputs = {
        "price": frame.price.to_numpy()[:5],
        "city": texts(frame.city[:5]),
        "shelf": frame.shelf.to_numpy(float)[:5],
    }
    asked = frame[:5]
    return made, inputs, {"label": made.predict(asked), "probabilities": made.predict_proba(asked)}


class TestBoosters(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return PickleRuntime()

    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        made, inputs, expected = CASES[request.param]()
        path = tmp_path / "m.pkl"
        path.write_bytes(pickle.dumps(made))
        return ModelCase(path, inputs, expected)


@pytest.mark.parametrize("name", ["xgboost_with_categories", "lightgbm_with_categories"])
def test_categories_of_a_frame(tmp_path, name):
    made, inputs, _ = CASES[name]()
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(made))
    loaded = PickleRuntime().load(path, LoadSpec(threads=1))
    assert [spec.describe() for spec in loaded.signature.inputs] == [
        "price FP64 [-1]",
        "city BYTES [-1]",
        "shelf INT64 [-1]",
    ]
    assert loaded.signature.inputs[1].meaning == Tabular((Column("city", categories=("Bergen", "Oslo", "Stavanger")),))
    with pytest.raises(InvalidInputError, match="column 'city' has no category 'Rome'; it takes: Bergen, Oslo"):
        loaded.predict({**inputs, "city": texts(["Rome"] * 9)})
    missing = loaded.predict({**inputs, "city": texts([""] * 9)})
    frame = shop()[0][:9].copy()
    frame.loc[:, "city"] = np.nan
    assert missing["probabilities"].tolist() == made.predict_proba(frame).tolist()
