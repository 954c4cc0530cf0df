"""What differs between two answers to one request."""

import math

import ml_dtypes
import numpy as np
import pytest

from engine.requests.logged import record
from modelport.core.errors import InvalidInputError, ModelFailedError, UnsupportedError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.requests.record import Record, tensors
from modelport.release.replaying import Answered, Tolerance, inputs_of, judged, summary_of
from modelport.release.replaying.comparing import compared

LIMIT = Tolerance(relative=1e-3, absolute=1e-6)
SCORES = TensorSpec("y", "FP32", (-1, 3), Probabilities(("a", "b", "c")))
SIGNATURE = Signature((TensorSpec("X", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1,)),))


def difference(then, now, spec=None):
    return compared("y", np.asarray(then), np.asarray(now), spec, LIMIT)


def test_the_same_values_are_equal_and_nan_is_the_same_as_nan():
    found = difference([1.0, np.nan, np.inf], [1.0, np.nan, np.inf])
    assert (found.state, found.differing, found.absolute, found.relative) == ("equal", 0, 0.0, 0.0)


def test_within_the_tolerance_and_beyond_it():
    found = difference([1.0, 100.0], [1.0005, 100.05])
    assert (found.state, found.differing) == ("within", 0)
    assert found.absolute == pytest.approx(0.05)
    assert found.relative == pytest.approx(5e-4)
    beyond = difference([1.0, 100.0], [1.0, 101.0])
    assert (beyond.state, beyond.differing, beyond.elements, beyond.first) == ("different", 1, 2, ("100.0", "101.0"))


@pytest.mark.parametrize(("then", "now"), [(1.0, np.nan), (np.inf, 1.0), (np.inf, -np.inf), (np.nan, 0.0)])
def test_what_is_not_finite_on_one_side_is_different_by_no_number(then, now):
    found = difference([then], [now])
    assert (found.state, found.absolute) == ("different", None)


def test_a_value_that_was_zero():
    assert difference([0.0], [1e-9]).state == "within"
    assert difference([0.0], [1e-3]).state == "different"
    assert difference([0.0], [1e-3]).relative is None


def test_the_best_class_counts_rows_not_scores():
    found = difference([[0.5, 0.4, 0.1], [0.2, 0.3, 0.5]], [[0.4, 0.5, 0.1], [0.1, 0.3, 0.6]], SCORES)
    assert (found.labels, found.differing) == (1, 4)


def test_labels_are_compared_as_they_are():
    texts = difference(np.array([b"a", b"b"], object), np.array([b"a", b"c"], object))
    assert (texts.state, texts.labels, texts.first) == ("different", 1, ("b", "c"))
    numbers = TensorSpec("y", "INT64", (-1,), Labels(("no", "yes")))
    assert difference([0, 1, 1], [0, 1, 0], numbers).labels == 1
    assert difference([0, 1, 1], [0, 1, 1], numbers).state == "equal"
    assert difference([0, 1, 1], [0, 1, 0]).labels is None


def test_other_shapes_and_kinds():
    assert difference([1.0, 2.0], [1.0]).text == "FP64 [2] → FP64 [1]"
    assert difference(np.array([b"1"], object), [1]).state == "shape"
    assert difference(np.ones(2, np.float32), np.ones(2, np.float64)).state == "equal"
    assert difference(np.ones(2, ml_dtypes.bfloat16), np.ones(2, np.float16)).state == "equal"
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))).state == "equal"


def test_tolerances_that_mean_nothing_are_refused():
    with pytest.raises(InvalidInputError, match="0 or more"):
        Tolerance(relative=-1)
    with pytest.raises(InvalidInputError, match="0 or more"):
        Tolerance(absolute=math.nan)


def answered(*answers, error=None):
    return Answered(
        [{name: np.asarray(value) for name, value in answer.items()} for answer in answers], 2_000_000, error
    )


def logged(*answers, kind="", **more):
    stored = [tensors({name: np.asarray(value) for name, value in answer.items()}, {}) for answer in answers]
    plain = record()
    return Record(plain.id, "", 1, "iris", 1, "d", "plain", plain.inputs, None, stored, kind, compute=10**6, **more)


def outcome(then, now):
    return judged(then, "iris@2", SIGNATURE, now, LIMIT)


def test_what_became_of_a_request():
    assert outcome(logged({"y": [1.0]}), answered({"y": [1.0]})).outcome == "equal"
    assert outcome(logged({"y": [1.0]}), answered({"y": [1.0001]})).outcome == "within"
    assert outcome(logged({"y": [1.0]}), answered({"y": [2.0]})).outcome == "different"
    failed = outcome(logged({"y": [1.0]}), answered(error=ModelFailedError("no")))
    assert (failed.outcome, failed.error_now, failed.alike) == ("fails", "model_failed: no", False)
    assert outcome(logged(kind="model_failed"), answered({"y": [1.0]})).outcome == "answers"
    still = outcome(logged(kind="model_failed"), answered(error=ModelFailedError("no")))
    assert (still.outcome, still.alike) == ("failed", True)


def test_an_output_that_is_new_is_not_missed_but_one_that_is_gone_is():
    new = outcome(logged({"y": [1.0]}), answered({"y": [1.0], "z": [1.0]}))
    assert (new.outcome, [item.state for item in new.outputs]) == ("equal", ["equal", "new"])
    gone = outcome(logged({"y": [1.0], "z": [1.0]}), answered({"y": [1.0]}))
    assert (gone.outcome, [item.state for item in gone.outputs]) == ("different", ["equal", "missing"])
    hidden = outcome(logged({"y": [1.0]}, hidden_outputs=["z"]), answered({"y": [1.0], "z": [5.0]}))
    assert [item.name for item in hidden.outputs] == ["y"]


def test_of_several_responses_the_worst_difference_is_told():
    found = outcome(
        logged({"y": [1.0]}, {"y": [2.0]}, {"y": [3.0]}), answered({"y": [1.0]}, {"y": [2.5]}, {"y": [3.0]})
    )
    assert (found.outcome, found.outputs[0].absolute) == ("different", 0.5)
    fewer = outcome(logged({"y": [1.0]}, {"y": [2.0]}), answered({"y": [1.0]}))
    assert (fewer.outcome, fewer.note) == ("different", "2 responses → 1")


def test_a_model_with_a_state_and_hidden_inputs_can_not_be_asked_again():
    with pytest.raises(UnsupportedError, match="keeps a state"):
        inputs_of(logged({"y": [1.0]}, stateful=True))
    with pytest.raises(InvalidInputError, match="income was not stored"):
        inputs_of(logged({"y": [1.0]}, hidden=["income"]))


def test_a_summary_counts_and_puts_the_worst_first():
    pairs = [
        (logged({"y": [1.0]}), answered({"y": [1.0]})),
        (logged({"y": [1.0]}), answered({"y": [1.5]})),
        (logged({"y": [1.0]}), answered({"y": [9.0]})),
        (logged({"y": [1.0]}), answered(error=ModelFailedError("no"))),
    ]
    found = summary_of("iris@2", [outcome(*pair) for pair in pairs], {"0-1-x": "hidden"})
    assert (found.requests, found.outcomes) == (4, {"equal": 1, "different": 2, "fails": 1})
    assert [item.outcome for item in found.worst] == ["fails", "different", "different"]
    assert found.worst[1].outputs[0].absolute == 8.0
    [output] = found.outputs
    assert (output.differing, output.absolute, output.labels) == (2, 8.0, None)
    assert (found.ms_before, found.ms_now, found.alike) == (1.0, 2.0, False)
    assert summary_of("iris@2", [outcome(*pairs[0])], {}).alike
