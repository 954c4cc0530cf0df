"""Intervals cover what they should, pairing makes differences sharper, and McNemar's test is SciPy's."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2

from modelport.evaluate.metrics.classification import Classification
from modelport.evaluate.metrics.intervals import bootstrap, differences_of, mcnemar
from modelport.evaluate.metrics.regression import Regression


def answers_of(rows, accuracy, seed):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    return Classification(("a", "b"), truth, np.where(random.random(rows) < accuracy, truth, 1 - truth))


def test_the_interval_is_near_the_one_of_theory():
    result = answers_of(1000, 0.9, 0)
    low, high = bootstrap(result, None, 1000, 0).own["accuracy"]
    share = result.figures()["accuracy"]
    half = 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert low == pytest.approx(share - half, abs=0.004)
    assert high == pytest.approx(share + half, abs=0.004)


def test_it_covers_the_truth_about_as_often_as_it_says():
    inside = 0
    for seed in range(60):
        low, high = bootstrap(answers_of(200, 0.8, seed), None, 200, seed).own["accuracy"]
        inside += low <= 0.8 <= high
    assert 50 <= inside <= 60


def test_the_same_seed_gives_the_same_and_another_one_others():
    result = answers_of(100, 0.8, 1)
    assert bootstrap(result, None, 50, 7) == bootstrap(result, None, 50, 7)
    assert bootstrap(result, None, 50, 7) != bootstrap(result, None, 50, 8)


def test_pairing_makes_differences_sharper():
    random = np.random.default_rng(0)
    truth = random.normal(size=400)
    noise = random.normal(size=400)
    this, other = Regression(truth, truth + noise), Regression(truth, truth + noise + 0.05 * random.normal(size=400))
    sampled = bootstrap(this, other, 300, 0)
    width = sampled.difference["mse"][1] - sampled.difference["mse"][0]
    apart = sampled.own["mse"][1] - sampled.own["mse"][0]
    assert width < apart / 4
    point = differences_of(this.figures(), other.figures())["mse"]
    assert sampled.difference["mse"][0] <= point <= sampled.difference["mse"][1]


def test_a_model_beside_itself_differs_by_nothing():
    result = answers_of(50, 0.7, 3)
    assert set(bootstrap(result, result, 40, 0).difference.values()) == {(0.0, 0.0)}


def test_no_resamples_no_intervals_and_many_rows_fewer_resamples():
    assert bootstrap(answers_of(50, 0.7, 3), None, 0, 0).own == {}
    many = Regression(np.zeros(500_000), np.zeros(500_000))
    assert bootstrap(many, None, 201, 0).resamples == 200


def test_a_metric_that_most_samples_lack_has_no_interval():
    truth = np.array([1] + [0] * 3)
    lonely = Classification(("a", "b"), truth, truth, np.eye(2)[truth])
    found = bootstrap(lonely, None, 200, 0).own
    assert "accuracy" in found
    single = Classification(("a", "b"), np.zeros(5, int), np.zeros(5, int), np.eye(2)[np.zeros(5, int)])
    assert "roc_auc" not in bootstrap(single, None, 200, 0).own


@pytest.mark.parametrize(("this", "other"), [(0, 0), (1, 0), (3, 9), (10, 10), (40, 21)])
def test_mcnemars_test_is_the_exact_one(this, other):
    right = np.array([1.0] * this + [0.0] * other + [1.0] * 30)
    other_right = np.array([0.0] * this + [1.0] * other + [1.0] * 30)
    found = mcnemar(right, other_right)
    wanted = binomtest(this, this + other).pvalue if this + other else 1.0
    assert (found.only_this, found.only_other) == (this, other)
    assert found.p_value == pytest.approx(wanted)


def test_with_many_rows_it_is_the_corrected_one_of_chi_squared():
    right = np.array([1.0] * 700 + [0.0] * 600)
    found = mcnemar(right, 1 - right)
    assert found.p_value == pytest.approx(chi2.sf(99**2 / 1300, 1))
