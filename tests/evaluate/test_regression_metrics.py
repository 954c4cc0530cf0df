"""Every metric of a regression is what scikit-learn and NumPy say."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict

from modelport.evaluate.metrics.regression import PERCENTS, Regression

close = pytest.approx


@pytest.fixture(scope="module")
def result():
    rows, truth = load_diabetes(return_X_y=True)
    return Regression(truth, cross_val_predict(Ridge(), rows, truth, cv=3))


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_are_those_of_scikit_learn(result, weighted):
    weights = np.random.default_rng(1).integers(0, 3, result.rows).astype(float) if weighted else None
    figures = result.figures(weights)
    truth, answers = result.truth, result.answers
    assert figures["mse"] == close(metrics.mean_squared_error(truth, answers, sample_weight=weights))
    assert figures["rmse"] == close(metrics.root_mean_squared_error(truth, answers, sample_weight=weights))
    assert figures["mae"] == close(metrics.mean_absolute_error(truth, answers, sample_weight=weights))
    assert figures["r2"] == close(metrics.r2_score(truth, answers, sample_weight=weights))
    assert figures["bias"] == close(np.average(answers - truth, weights=weights))


@pytest.mark.parametrize("weighted", [False, True])
def test_percentiles_of_residuals_are_those_of_numpy(result, weighted):
    weights = np.random.default_rng(2).integers(0, 3, result.rows) if weighted else np.ones(result.rows, int)
    repeated = np.repeat(result.residuals, weights)
    for percent in PERCENTS:
        wanted = np.percentile(repeated, percent)
        assert result.figures(weights.astype(float))[f"residual.p{percent}"] == close(wanted)


def test_a_truth_that_never_changes_has_no_r2():
    figures = Regression(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])).figures()
    assert figures["r2"] is None
    assert figures["mae"] == close(2 / 3)


def test_without_any_weight_everything_is_undefined(result):
    assert set(result.figures(np.zeros(result.rows)).values()) == {None}
