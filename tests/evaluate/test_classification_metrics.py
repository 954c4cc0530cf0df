"""Every metric of a classification is what scikit-learn says, with weights, ties, strange classes and without."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from modelport.evaluate.metrics.classification import Classification, class_key
from modelport.evaluate.metrics.curves import BINS, Calibration, Ranked

close = pytest.approx


def scored(loader, model):
    """A real classifier's answers on rows that it was not trained on."""
    rows, truth = loader(return_X_y=True)
    scores = cross_val_predict(model, rows, truth, cv=3, method="predict_proba")
    names = tuple(map(str, range(scores.shape[1])))
    return Classification(names, truth.astype(np.int64), scores.argmax(axis=1), scores)


@pytest.fixture(scope="module", params=["cancer", "digits"])
def result(request):
    if request.param == "cancer":
        return scored(load_breast_cancer, GaussianNB())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scored(load_digits, LogisticRegression(max_iter=50))


@pytest.fixture(scope="module", params=["plain", "weighted"])
def weights(request, result):
    return None if request.param == "plain" else np.random.default_rng(3).integers(0, 4, result.rows).astype(float)


def test_shares_are_those_of_scikit_learn(result, weights):
    figures = result.figures(weights)
    truth, answers = result.truth, result.answers
    assert figures["accuracy"] == close(metrics.accuracy_score(truth, answers, sample_weight=weights))
    for average, suffix in (("macro", ""), ("weighted", ".weighted")):
        wanted = metrics.precision_recall_fscore_support(
            truth, answers, average=average, sample_weight=weights, zero_division=0
        )
        found = [figures[name + suffix] for name in ("precision", "recall", "f1")]
        assert found == close(list(wanted[:3]))
    by_class = metrics.precision_recall_fscore_support(truth, answers, sample_weight=weights, zero_division=0)
    for place, name in enumerate(result.classes):
        for metric, wanted in zip(("precision", "recall", "f1"), by_class, strict=False):
            assert figures[f"{metric}.{name}"] == close(wanted[place])


def test_scores_are_those_of_scikit_learn(result, weights):
    figures = result.figures(weights)
    truth, scores = result.truth, result.scores
    two = len(result.classes) == 2
    if two:
        area = metrics.roc_auc_score(truth, scores[:, 1], sample_weight=weights)
        brier = metrics.brier_score_loss(truth, scores[:, 1], sample_weight=weights)
    else:
        area = metrics.roc_auc_score(truth, scores, sample_weight=weights, multi_class="ovr")
        squares = ((scores - np.eye(scores.shape[1])[truth]) ** 2).sum(axis=1)
        brier = np.average(squares, weights=weights)
    assert figures["roc_auc"] == close(area)
    assert figures["brier"] == close(brier)
    assert figures["log_loss"] == close(metrics.log_loss(truth, scores, sample_weight=weights))


def test_each_class_has_its_area_against_the_rest(result):
    if len(result.classes) == 2:
        assert not [name for name in result.figures() if name.startswith("roc_auc.")]
    else:
        for place, name in enumerate(result.classes):
            wanted = metrics.roc_auc_score(result.truth == place, result.scores[:, place])
            assert result.figures()[f"roc_auc.{name}"] == close(wanted)


def test_the_confusion_matrix_is_that_of_scikit_learn(result):
    np.testing.assert_array_equal(result.confusion(), metrics.confusion_matrix(result.truth, result.answers))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=60).filter(
        lambda rows: len({row[0] for row in rows if row[2]}) == 2
    )
)
def test_the_area_counts_ties_half(rows):
    positive = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows]) / 4
    weights = np.array([row[2] for row in rows], float)
    wanted = metrics.roc_auc_score(positive, scores, sample_weight=weights)
    assert Ranked(positive, scores).area(weights) == close(wanted)


def test_the_curve_is_that_of_scikit_learn():
    result = scored(load_breast_cancer, GaussianNB())
    false, true, _ = metrics.roc_curve(result.truth, result.scores[:, 1], drop_intermediate=False)
    curve = Ranked(result.truth == 1, result.scores[:, 1]).curve(most=10_000)
    np.testing.assert_allclose(np.array(curve), np.stack([false, true], axis=1))
    few = Ranked(result.truth == 1, result.scores[:, 1]).curve(most=20)
    assert len(few) <= 20
    assert (few[0], few[-1]) == ((0, 0), (1, 1))


def test_calibration_bins_are_those_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    result = scored(load_breast_cancer, GaussianNB())
    confidence, right = result.scores.max(axis=1), result.right
    share, mean = calibration_curve(right, confidence, n_bins=BINS)
    bins = [item for item in Calibration(confidence, right).bins() if item.rows]
    assert [item.accuracy for item in bins] == close(list(share))
    assert [item.confidence for item in bins] == close(list(mean))
    error = sum(item.rows * abs(item.accuracy - item.confidence) for item in bins) / result.rows
    assert result.figures()["ece"] == close(error)
    assert sum(item.rows for item in bins) == result.rows


def test_a_perfectly_calibrated_model_has_no_error_and_an_overconfident_one_has():
    right = np.array([1.0] * 75 + [0.0] * 25)
    assert Calibration(np.full(100, 0.75), right).error(np.ones(100)) == close(0)
    assert Calibration(np.full(100, 0.95), right).error(np.ones(100)) == close(0.2)


def test_one_class_only_has_no_area():
    figures = Classification(("a", "b"), np.zeros(4, int), np.array([0, 0, 1, 0]), np.full((4, 2), 0.5)).figures()
    assert figures["roc_auc"] is None
    assert figures["accuracy"] == 0.75
    assert figures["precision.b"] == 0
    assert figures["log_loss"] == close(np.log(2))


def test_a_class_that_is_nowhere_is_undefined_and_not_in_the_means():
    figures = Classification(("a", "b", "c"), np.array([0, 1, 1]), np.array([0, 1, 0])).figures()
    assert figures["f1.c"] is None
    wanted = metrics.f1_score([0, 1, 1], [0, 1, 0], average="macro")
    assert figures["f1"] == close(wanted)
    assert "roc_auc" not in figures


def test_a_class_that_the_model_does_not_know_costs_what_scikit_learn_says():
    truth, scores = np.array([0, 1, 2, 1]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.5, 0.5, 0], [0.4, 0.6, 0]])
    result = Classification(("a", "b", "unseen"), truth, scores.argmax(axis=1), scores)
    figures = result.figures()
    assert figures["recall.unseen"] == 0
    assert figures["accuracy"] == 0.75
    assert figures["log_loss"] == close(metrics.log_loss(truth, scores))
    assert figures["roc_auc.unseen"] == 0.5


def test_scores_that_are_no_probabilities_have_an_area_but_no_loss():
    scores = np.array([[2.0, -1.0], [-3.0, 1.0], [0.5, 0.6]])
    figures = Classification(("a", "b"), np.array([0, 1, 1]), np.array([0, 1, 1]), scores).figures()
    assert figures["roc_auc"] == 1
    assert (figures["log_loss"], figures["brier"], figures["ece"]) == (None, None, None)


def test_scores_that_are_not_numbers_have_no_area():
    scores = np.array([[0.2, 0.8], [np.nan, np.nan]])
    figures = Classification(("a", "b"), np.array([0, 1]), np.array([1, 1]), scores).figures()
    assert figures["roc_auc"] is None
    assert figures["log_loss"] is None


def test_without_any_weight_everything_is_undefined():
    result = scored(load_breast_cancer, GaussianNB())
    assert set(result.figures(np.zeros(result.rows)).values()) == {None}


def test_a_class_may_be_called_like_a_word_of_the_gates():
    assert class_key("f1", "low") == 'f1."low"'
    figures = Classification(("weighted", "b"), np.array([0, 1, 1]), np.array([0, 1, 0])).figures()
    assert figures['f1."weighted"'] == close(2 / 3)
    assert figures["f1.weighted"] == close(metrics.f1_score([0, 1, 1], [0, 1, 0], average="weighted"))
