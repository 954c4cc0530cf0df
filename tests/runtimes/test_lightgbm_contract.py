"""LightGBM's runtime holds to the contract: every kind of booster and objective gives what LightGBM itself gives."""

import numpy as np
import pytest

lgb = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("sklearn.datasets")

from modelport.runtimes.boosting.lightgbm import LightGBMRuntime  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402

CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


IRIS = datasets.load_iris()
DIABETES = datasets.load_diabetes()
ILL = (DIABETES.target > 140).astype(int)
QUIET = {"verbose": -1, "n_estimators": 4, "n_jobs": 1}


def rows(data):
    found = data[::50].copy()
    found[0, 1] = np.nan
    return found


def saved(made, folder, **options):
    path = folder / "m.txt"
    made.booster_.save_model(path, **options)
    return path


@case
def several_classes(folder):
    made = lgb.LGBMClassifier(**QUIET).fit(IRIS.data, IRIS.target)
    x = rows(IRIS.data)
    return ModelCase(
        saved(made, folder),
        {"X": x},
        {"label": made.booster_.predict(x).argmax(axis=1), "probabilities": made.booster_.predict(x)},
    )


@case
def one_against_the_others(folder):
    made = lgb.LGBMClassifier(objective="multiclassova", **QUIET).fit(IRIS.data, IRIS.target)
    x = rows(IRIS.data)
    given = made.booster_.predict(x)
    return ModelCase(saved(made, folder), {"X": x}, {"label": given.argmax(axis=1), "probabilities": given})


@case
def two_classes(folder):
    made = lgb.LGBMClassifier(**QUIET).fit(DIABETES.data, ILL)
    x = rows(DIABETES.data)
    positive = made.booster_.predict(x)
    expected = {
        "label": (positive > 0.5).astype(np.int64),
        "probabilities": np.vstack((1.0 - positive, positive)).transpose().copy(),
    }
    return ModelCase(saved(made, folder), {"X": x}, expected)


@case
def regression(folder):
    made = lgb.LGBMRegressor(**QUIET).fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.booster_.predict(x)})


@case
def regression_with_random_forests(folder):
    made = lgb.LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **QUIET)
    made.fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.booster_.predict(x)})


@case
def linear_leaves(folder):
    made = lgb.LGBMRegressor(linear_tree=True, **QUIET).fit(DIABETES.data, DIABETES.target)
    x = rows(DIABETES.data)
    return ModelCase(saved(made, folder), {"X": x}, {"y": made.booster_.predict(x)})


@case
def ranking(folder):
    made = lgb.LGBMRanker(**QUIET).fit(IRIS.data, IRIS.target, group=[15] * 10)
    x = rows(IRIS.data)
    return ModelCase(saved(made, folder), {"X": x}, {"score": made.booster_.predict(x)})


def of_three(target, given):
    """An objective of our own, for three classes."""
    hot = np.eye(3)[target.astype(int)].ravel(order="F")
    return given.ravel(order="F") - hot, np.ones(given.size)


@case
def an_objective_of_its_own(folder):
    data = lgb.Dataset(IRIS.data, IRIS.target)

    def objective(given, train):
        return of_three(train.get_label(), given)

    made = lgb.train({"objective": objective, "num_class": 3, "verbose": -1, "num_threads": 1}, data, 3)
    made.save_model(folder / "m.txt")
    x = rows(IRIS.data)
    return ModelCase(folder / "m.txt", {"X": x}, {"y": made.predict(x)})


def shop():
    """A DataFrame with categories of texts and of numbers, and what was bought."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "price": random.uniform(1, 100, 200),
            "city": pd.Categorical(random.choice(["Oslo", "Bergen", "Tromsø"], 200)),
            "shelf": pd.Categorical(random.choice([10, 20, 30], 200)),
        }
    )
    return frame, (frame.city.cat.codes + frame.shelf.cat.codes > 2).astype(int)


@case
def categories(folder):
    frame, bought = shop()
    made = lgb.LGBMClassifier(min_data_per_group=1, min_child_samples=1, cat_smooth=0, cat_l2=0, **QUIET)
    made.fit(frame, bought)
    asked = frame[:9].copy()
    positive = made.booster_.predict(asked)
    assert len(set(positive.tolist())) > 1
    x = np.column_stack([asked.price, asked.city.cat.codes, asked.shelf.cat.codes]).astype(np.float64)
    expected = {
        "label": (positive > 0.5).astype(np.int64),
        "probabilities": np.vstack((1.0 - positive, positive)).transpose().copy(),
    }
    return ModelCase(saved(made, folder), {"X": x}, expected)


@case
def windows_line_ends(folder):
    given = regression(folder)
    given.path.write_bytes(given.path.read_bytes().replace(b"\n", b"\r\n"))
    return given


class TestLightGBM(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return LightGBMRuntime()

    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        (tmp_path / "m").mkdir()
        return CASES[request.param](tmp_path / "m")
