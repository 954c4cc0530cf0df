"""Signatures: the check of a request's arrays, with the texts that callers see."""

import ml_dtypes
import numpy as np
import pytest

from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature, TensorSpec, shape_text

SIGNATURE = Signature(
    inputs=(
        TensorSpec("amount", "FP32", (-1, 2)),
        TensorSpec("location", "BYTES", (-1,)),
        TensorSpec("limit", "INT64", (), optional=True),
        TensorSpec("free", "BF16", None, optional=True),
    ),
    outputs=(TensorSpec("label", "INT64", (-1,)), TensorSpec("score", "FP32", (-1, 3))),
)

AMOUNT = np.zeros((2, 2), np.float32)
LOCATION = np.array([b"a", b"b"], object)
GOOD = {"amount": AMOUNT, "location": LOCATION}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"limit": np.array(3)},
        {"free": np.zeros((1, 2, 0), ml_dtypes.bfloat16)},
        {"amount": np.zeros((0, 2), np.float32)},
        {"limit": np.array(3), "free": np.array(1, ml_dtypes.bfloat16)},
    ],
)
def test_inputs_that_fit(more):
    SIGNATURE.check_inputs(GOOD | more)
    SIGNATURE.check_inputs(dict(reversed((GOOD | more).items())))


ALL = "amount FP32 [-1, 2]; location BYTES [-1]; limit INT64 []; free BF16 [...]"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (GOOD | {"amuont": AMOUNT}, f"unknown input 'amuont' (did you mean 'amount'?); the model has {ALL}"),
        (GOOD | {"AMOUNT": AMOUNT}, f"unknown input 'AMOUNT' (did you mean 'amount'?); the model has {ALL}"),
        (GOOD | {"zzz": AMOUNT}, f"unknown input 'zzz'; the model has {ALL}"),
        (GOOD | {"": AMOUNT}, f"unknown input ''; the model has {ALL}"),
        ({"amount": AMOUNT}, "missing input 'location': the request lacks location BYTES [-1]"),
        ({}, "missing input 'amount': the request lacks amount FP32 [-1, 2]; location BYTES [-1]"),
        (
            {"amount": AMOUNT, "limit": np.array(3), "free": np.array(1, ml_dtypes.bfloat16)},
            "missing input 'location': the request lacks location BYTES [-1]",
        ),
        (
            GOOD | {"amount": AMOUNT.astype(np.float64)},
            "input 'amount' has dtype float64, but the model takes amount FP32 [-1, 2]",
        ),
        (
            GOOD | {"amount": AMOUNT.astype(">f4")},
            "input 'amount' has dtype >f4, but the model takes amount FP32 [-1, 2]",
        ),
        (
            GOOD | {"location": np.array(["a", "b"])},
            "input 'location' has dtype <U1, but the model takes location BYTES [-1]",
        ),
        (
            GOOD | {"amount": np.zeros((2, 3), np.float32)},
            "input 'amount' has shape [2, 3], but the model takes amount FP32 [-1, 2]",
        ),
        (
            GOOD | {"amount": np.zeros(2, np.float32)},
            "input 'amount' has shape [2], but the model takes amount FP32 [-1, 2]",
        ),
        (GOOD | {"limit": np.array([3])}, "input 'limit' has shape [1], but the model takes limit INT64 []"),
    ],
)
def test_inputs_that_do_not_fit(inputs, says):
    with pytest.raises(InvalidInputError) as caught:
        SIGNATURE.check_inputs(inputs)
    assert str(caught.value) == says


def test_outputs():
    SIGNATURE.check_outputs(())
    SIGNATURE.check_outputs(("score", "label"))
    with pytest.raises(InvalidInputError) as caught:
        SIGNATURE.check_outputs(("scores",))
    assert str(caught.value) == (
        "unknown output 'scores' (did you mean 'score'?); the model has label INT64 [-1]; score FP32 [-1, 3]"
    )
    with pytest.raises(InvalidInputError, match=r"^output 'label' is asked for twice$"):
        SIGNATURE.check_outputs(("label", "score", "label"))


def test_a_tensor_by_name():
    assert SIGNATURE.input("limit").optional
    assert SIGNATURE.output("score").shape == (-1, 3)
    with pytest.raises(InvalidInputError, match="unknown input 'score'"):
        SIGNATURE.input("score")


@pytest.mark.parametrize(
    ("wanted", "shape", "fits"),
    [
        ((-1, 3), (0, 3), True),
        ((-1, 3), (7, 3), True),
        ((-1, 3), (7, 4), False),
        ((-1, 3), (7,), False),
        ((2,), (-1,), False),
        ((), (), True),
        ((), (1,), False),
        ((0,), (0,), True),
        (None, (), True),
        (None, (1, 2, 3), True),
    ],
)
def test_shapes_that_fit(wanted, shape, fits):
    assert TensorSpec("x", "FP32", wanted).fits(shape) is fits


def test_whether_rows_can_be_joined():
    rows, scalar, free = (TensorSpec("x", "FP32", shape) for shape in ((-1, 2), (), None))
    assert Signature((rows,), (rows,)).batched
    assert not Signature((rows,), (rows,), rowwise=False).batched
    for other in (scalar, free, TensorSpec("x", "FP32", (1, 2))):
        assert not Signature((rows,), (other,)).batched
        assert not Signature((other,), (rows,)).batched


def test_signatures_are_values():
    assert Signature((TensorSpec("x", "FP32", (-1,)),), ()) == Signature((TensorSpec("x", "FP32", (-1,)),), ())
    assert Signature((TensorSpec("x", "FP32", (-1,)),), ()) != Signature((TensorSpec("x", "FP64", (-1,)),), ())
    assert len({SIGNATURE, SIGNATURE}) == 1


def test_shapes_in_words():
    assert [shape_text(shape) for shape in (None, (), (-1, 3))] == ["[...]", "[]", "[-1, 3]"]
