"""XGBoost's runtime holds to the contract: every kind of booster and objective gives what XGBoost itself gives."""

import numpy as np
import pytest

xgb = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("sklearn.datasets")

from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.boosting.xgboost import XGBoostRuntime  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402

CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


IRIS = datasets.load_iris()
DIABETES = datasets.load_diabetes()
ILL = (DIABETES.target > 140).astype(int)


def rows(data):
    found = data[::50].astype(np.float32)
    found[0, 1] = np.nan
    return found


def train(data, target, rounds=4, **parameters):
    return xgb.train({"nthread": 1, "max_depth": 3, **parameters}, xgb.DMatrix(data, target), rounds)


def direct(booster, x):
    """What XGBoost gives by its other way in."""
    booster.set_param({"nthread": 1})
    return booster.predict(xgb.DMatrix(x))


@case
def several_classes(folder):
    frame = pd.DataFrame(IRIS.data, columns=IRIS.feature_names)
    made = xgb.XGBClassifier(n_estimators=4, n_jobs=1).fit(frame, IRIS.target)
    made.save_model(folder / "m.ubj")
    x = rows(IRIS.data)
    given = made.predict_proba(pd.DataFrame(x, columns=IRIS.feature_names))
    label = made.predict(pd.DataFrame(x, columns=IRIS.feature_names)).astype(np.int64)
    return ModelCase(folder / "m.ubj", {"X": x}, {"label": label, "probabilities": given})


@case
def two_classes(folder):
    made = xgb.XGBClassifier(n_estimators=4, n_jobs=1).fit(DIABETES.data, ILL)
    made.save_model(folder / "m.json")
    x = rows(DIABETES.data)
    expected = {"label": made.predict(x).astype(np.int64), "probabilities": made.predict_proba(x)}
    return ModelCase(folder / "m.json", {"X": x}, expected)


@case
def two_classes_each_for_itself(folder):
    made = xgb.XGBClassifier(n_estimators=4, n_jobs=1).fit(DIABETES.data, np.column_stack([ILL, 1 - ILL]))
    made.save_model(folder / "m.json")
    x = rows(DIABETES.data)
    expected = {"label": made.predict(x).astype(np.int64), "probabilities": made.predict_proba(x)}
    return ModelCase(folder / "m.json", {"X": x}, expected)


@case
def hard_classes(folder):
    made = train(IRIS.data, IRIS.target, objective="multi:softmax", num_class=3)
    made.save_model(folder / "m.ubj")
    x = rows(IRIS.data)
    label = direct(made, x).astype(np.int64)
    made.set_param({"objective": "multi:softprob"})
    return ModelCase(folder / "m.ubj", {"X": x}, {"label": label, "probabilities": direct(made, x)})


@case
def margins(folder):
    made = train(DIABETES.data, ILL, objective="binary:logitraw")
    made.save_model(folder / "m.ubj")
    x = rows(DIABETES.data)
    given = direct(made, x)
    return ModelCase(folder / "m.ubj", {"X": x}, {"label": (given > 0).astype(np.int64), "decision": given})


@case
def hinge(folder):
    made = train(DIABETES.data, ILL, objective="binary:hinge")
    made.save_model(folder / "m.ubj")
    x = rows(DIABETES.data)
    return ModelCase(folder / "m.ubj", {"X": x}, {"label": direct(made, x).astype(np.int64)})


@case
def regression_with_dropout(folder):
    """`predict` of the scikit-learn interface: `Booster.predict` adds up in another order here."""
    made = xgb.XGBRegressor(booster="dart", n_estimators=4, max_depth=3, rate_drop=0.5, random_state=1, n_jobs=1)
    made.fit(DIABETES.data, DIABETES.target).save_model(folder / "m.ubj")
    x = rows(DIABETES.data)
    return ModelCase(folder / "m.ubj", {"X": x}, {"y": made.predict(x)})


@case
def linear_regression(folder):
    made = train(DIABETES.data, DIABETES.target, booster="gblinear", max_depth=None)
    made.save_model(folder / "m.ubj")
    x = DIABETES.data[:3].astype(np.float32)
    return ModelCase(folder / "m.ubj", {"X": x}, {"y": direct(made, x)})


@case
def quantiles(folder):
    made = train(DIABETES.data, DIABETES.target, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    made.save_model(folder / "m.ubj")
    x = rows(DIABETES.data)
    return ModelCase(folder / "m.ubj", {"X": x}, {"y": direct(made, x)})


@case
def ranking(folder):
    groups = np.repeat(np.arange(10), 15)
    made = xgb.XGBRanker(n_estimators=4, n_jobs=1).fit(IRIS.data, IRIS.target, qid=groups)
    made.save_model(folder / "m.json")
    x = rows(IRIS.data)
    return ModelCase(folder / "m.json", {"X": x}, {"score": made.predict(x)})


def shop():
    """A DataFrame with categories of texts and of numbers, and what was bought."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": random.uniform(1, 100, 200),
            "city": pd.Categorical(random.choice(["Oslo", "Bergen", "Stavanger"], 200)),
            "shelf": pd.Categorical(random.choice([10, 20, 30], 200)),
        }
    )
    return frame, (frame.city.cat.codes + frame.shelf.cat.codes > 2).astype(int)


@case
def categories(folder):
    frame, bought = shop()
    data = xgb.DMatrix(frame, bought, enable_categorical=True)
    made = xgb.train({"objective": "binary:logistic", "nthread": 1, "max_cat_to_onehot": 1}, data, 4)
    made.save_model(folder / "m.ubj")
    asked = frame[:9]
    positive = made.predict(xgb.DMatrix(asked, enable_categorical=True))
    assert len(set(positive.tolist())) > 2
    x = np.column_stack([asked.price, asked.city.cat.codes, asked.shelf.cat.codes]).astype(np.float32)
    expected = {
        "label": (positive > 0.5).astype(np.int64),
        "probabilities": np.column_stack([1 - positive, positive]),
    }
    return ModelCase(folder / "m.ubj", {"X": x}, expected)


@case
def best_trees(folder):
    made = xgb.XGBRegressor(n_estimators=60, early_stopping_rounds=3, learning_rate=1, n_jobs=1)
    made.fit(
        DIABETES.data[:200], DIABETES.target[:200], eval_set=[(DIABETES.data[200:], DIABETES.target[200:])], verbose=0
    )
    assert made.best_iteration + 1 < made.get_booster().num_boosted_rounds()
    made.save_model(folder / "m.json")
    x = rows(DIABETES.data)
    return ModelCase(folder / "m.json", {"X": x}, {"y": made.predict(x)})


@case
def all_trees_where_asked(folder):
    given = best_trees(folder)
    booster = xgb.Booster(model_file=given.path)
    expected = {"y": direct(booster, given.inputs["X"])}
    assert expected["y"].tolist() != given.expected["y"].tolist()
    return ModelCase(given.path, given.inputs, expected, LoadSpec(threads=1, options={"trees": "all"}))


class TestXGBoost(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return XGBoostRuntime()

    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        (tmp_path / "m").mkdir()
        return CASES[request.param](tmp_path / "m")
