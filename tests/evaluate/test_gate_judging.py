"""Gates on the evaluation of a real model beside another: verdicts, their reasons, and gates that can't be judged."""

from dataclasses import replace

import pytest

from evaluate.iris_data import subject_of
from modelport.core.errors import InvalidInputError
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.evaluate.evaluation import Options, evaluate
from modelport.evaluate.gates.judging import judge
from modelport.evaluate.gates.reading import read_gate
from modelport.evaluate.metrics.latency import Speed
from modelport.evaluate.results import Metric


@pytest.fixture(scope="module")
def evaluation(places):
    """The logistic regression beside the forest, with figures of speed that do not depend on the machine."""
    subject = subject_of(places.iris)
    data = open_data(places.folder / "iris.csv", subject.signature, Asked(slices=("site",), ignored=("site",)))
    made = evaluate(subject, data, subject_of(places.forest), Options(resamples=100))
    fixed = replace(made.measured, speed=Speed(1.0, 5.0, 20.0, 10_000.0, 200))
    return replace(made, measured=fixed)


def verdict(text, evaluation):
    [made] = judge([read_gate(text)], evaluation)
    assert made.gate == text
    return made


def value(evaluation, name):
    return evaluation.measured.metrics[name].value


PASSED = (
    "accuracy >= 0.95",
    "accuracy >= production - 0.1",
    "production.accuracy > accuracy",
    "accuracy < other",
    "accuracy.low < accuracy",
    "accuracy.high > accuracy",
    "accuracy.low >= production - 0.1",
    "accuracy.difference <= 0",
    "accuracy.difference.low < 0",
    "accuracy.difference == accuracy - production.accuracy",
    "f1.setosa == 100%",
    "f1.weighted > 0.9",
    "f1 == f1.macro",
    "roc_auc.virginica > 0.9",
    "log_loss <= 2 * 0.1 + 0.1",
    "slice[site=north].accuracy >= 0.9",
    "slice[site=north].accuracy <= production",
    "slice[site=north].rows == 50",
    "rows == 150",
    "p99_ms <= 20",
    "p50_ms * 20 == p99_ms",
    "rows_per_s >= 10000",
    "size_mb < 1",
    "disagreement <= 5%",
    "disagreement.high > disagreement",
)


@pytest.mark.parametrize("text", PASSED)
def test_gates_that_pass(text, evaluation):
    made = verdict(text, evaluation)
    assert made.passed, made.reason


@pytest.mark.parametrize("text", PASSED)
def test_the_opposite_is_refused(text, evaluation):
    opposite = {">=": "<", "<=": ">", "==": "!=", "<": ">=", ">": "<="}
    sign = next(sign for sign in (">=", "<=", "==", "<", ">") if sign in text)
    assert not verdict(text.replace(sign, opposite[sign]), evaluation).passed


def test_the_reason_has_the_values(evaluation):
    assert verdict("p99_ms <= 10 + 5", evaluation).reason == "p99_ms 20: 20 <= 15 is not so"
    made = verdict("accuracy >= production + 1", evaluation)
    assert made.reason == "accuracy 0.9733, production 0.9933: 0.9733 >= 1.993 is not so"
    assert (made.left, made.right) == (pytest.approx(146 / 150), pytest.approx(149 / 150 + 1))


def test_what_differs_by_rounding_only_is_the_same(evaluation):
    made = replace(
        evaluation,
        measured=replace(evaluation.measured, metrics={"accuracy": Metric(0.3)}),
    )
    assert 0.1 + 0.2 != 0.3
    assert verdict("accuracy >= 0.1 + 0.2", made).passed
    assert verdict("accuracy == 0.1 + 0.2", made).passed
    assert not verdict("accuracy < 0.1 + 0.2", made).passed


def test_an_undefined_metric_refuses(evaluation):
    metrics = {**evaluation.measured.metrics, "roc_auc": Metric(None)}
    made = replace(evaluation, measured=replace(evaluation.measured, metrics=metrics))
    assert verdict("roc_auc < 1", made).reason == "roc_auc is undefined on this data"
    assert not verdict("roc_auc < 1", made).passed


def test_an_interval_that_was_not_computed_refuses(evaluation):
    made = verdict("slice[site=north].accuracy.low < 1", evaluation)
    assert not made.passed
    assert "has no interval for it" in made.reason


def test_division_by_zero_refuses(evaluation):
    assert verdict("accuracy / (rows - 150) > 0", evaluation).reason == "it divides by zero"


def test_the_signature(evaluation):
    made = verdict("signature compatible", evaluation)
    assert not made.passed
    assert "output 'output_label' is gone" in made.reason
    fitting = replace(evaluation, comparison=replace(evaluation.comparison, incompatibilities=()))
    assert verdict("signature compatible with other", fitting).passed


@pytest.mark.parametrize(("golden", "passed"), [("ok", True), ("", False), ("request 1 gave 2", False)])
def test_golden_requests(evaluation, golden, passed):
    model = replace(evaluation.measured.model, golden=golden)
    made = verdict("golden == ok", replace(evaluation, measured=replace(evaluation.measured, model=model)))
    assert made.passed == passed
    assert made.reason == (golden if golden not in ("ok", "") else made.reason)


UNKNOWN = {
    "f1.setsa > 0": "f1 has no part 'setsa' (did you mean 'setosa'?); it has setosa, versicolor, virginica, weighted",
    "rmse < 1": "the evaluation of iris has no rmse; it has accuracy, brier",
    "residual < 1": "residual takes a percentile",
    "slice[sight=north].f1 > 0": "no slice column is called 'sight' (did you mean 'site'?)",
    "slice[site=nroth].f1 > 0": "no row has site=nroth (did you mean 'north'?); there is north, south",
}


@pytest.mark.parametrize(("text", "said"), UNKNOWN.items(), ids=list(UNKNOWN))
def test_what_the_evaluation_does_not_have_is_told(text, said, evaluation):
    with pytest.raises(InvalidInputError) as told:
        verdict(text, evaluation)
    assert said in str(told.value)


@pytest.mark.parametrize(
    "text", ["accuracy > production", "disagreement < 1", "accuracy.difference > 0", "signature compatible"]
)
def test_a_gate_without_the_version_that_it_needs(text, evaluation):
    with pytest.raises(InvalidInputError, match="version"):
        verdict(text, replace(evaluation, comparison=None))


def test_references_by_other_names(evaluation):
    gate = read_gate("accuracy >= staging", references=("staging",))
    [made] = judge([gate], evaluation, {"staging": evaluation.measured})
    assert made.passed
