"""Whose a request to `/invocations` is: SageMaker's or MLflow's. The rules are in docs/dialects.md."""

import io

import numpy as np
import pytest
from hosted_cases import NAMED, NAMELESS, TEXT, answer, ask, read

from modelport.core.signature import Signature, TensorSpec
from modelport.wire.invocations import Invocations

INVOCATIONS = Invocations()
BARE, WRAPPED = [0], {"predictions": [0]}


def npy():
    made = io.BytesIO()
    np.save(made, np.array([[1, 2, 3]]))
    return made.getvalue()


@pytest.mark.parametrize(
    ("body", "kind", "headers", "expected"),
    [
        ([[1, 2, 3]], "application/json", {}, BARE),
        ({"data": [[1, 2, 3]]}, "application/json", {}, BARE),
        ({"instances": [[1, 2, 3]]}, "application/json", {}, WRAPPED),
        ({"instances": [[1, 2, 3]]}, "", {}, WRAPPED),
        ({"inputs": [[1, 2, 3]]}, "application/json; charset=utf-8", {}, WRAPPED),
        ({"dataframe_split": {"data": [[1, 2, 3]]}}, "application/json", {}, WRAPPED),
        ({"dataframe_records": [{"p": 1, "q": 2, "r": 3}]}, "application/json", {}, WRAPPED),
        (b"1,2,3", "text/csv", {}, BARE),
        (b"1,2,3\n", "text/csv; header=absent", {}, BARE),
        (b"p,q,r\n1,2,3", "text/csv", {}, WRAPPED),
        (b"0,1,2\n1,2,3", "text/csv", {}, WRAPPED),
        (b"7,8,9\n1,2,3", "text/csv; header=present", {}, WRAPPED),
        (b"[1, 2, 3]", "application/jsonlines", {}, BARE),
        (npy(), "application/x-npy", {}, BARE),
        ({"inputs": [[1, 2, 3]]}, "application/json", {"x_amzn_sagemaker_custom_attributes": "a=b"}, BARE),
        ({"instances": [[1, 2, 3]]}, "application/json", {"x_amzn_sagemaker_target_model": "m"}, WRAPPED),
        (b"p,q,r\n1,2,3", "text/csv", {"x_amzn_sagemaker_inference_id": "7"}, BARE),
    ],
)
def test_what_a_request_carries_decides(body, kind, headers, expected):
    assert answer(INVOCATIONS, NAMELESS, body, kind, **headers) == expected


def test_accept_of_a_format_that_mlflow_lacks_is_sagemakers():
    assert ask(INVOCATIONS, NAMELESS, {"inputs": [[1, 2, 3]]}, accept="text/csv").body == b"0.0\n"
    assert answer(INVOCATIONS, NAMELESS, {"inputs": [[1, 2, 3]]}, accept="application/json, */*") == WRAPPED


def test_a_text_that_has_mlflows_words_in_it_is_still_a_text():
    assert read(INVOCATIONS, TEXT, ['say "inputs"']) == {"text": [b'say "inputs"']}
    assert answer(INVOCATIONS, TEXT, ['say "inputs"']) == ["no"]


def test_a_model_whose_input_is_called_so_keeps_its_name():
    signature = Signature((TensorSpec("inputs", "FP32", (-1, 2)),), (TensorSpec("y", "FP32", (-1,)),))
    assert read(INVOCATIONS, signature, {"inputs": [[1, 2]]}) == {"inputs": [[1, 2]]}


def test_names_are_recognised_in_a_header():
    assert read(INVOCATIONS, NAMED, b"c,b,a\ny,2,1", "text/csv") == {"X": [[1, 2, 1]]}


def test_the_target_model_is_the_model():
    assert INVOCATIONS.model_of({b"x-amzn-sagemaker-target-model": b"x/iris.tar.gz"}) == "iris"
    assert INVOCATIONS.model_of({}) is None
