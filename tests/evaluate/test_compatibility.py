"""What a client of one signature would notice with another, and that it is nothing else."""

from dataclasses import replace

import pytest

from modelport.core.meaning import Column, Image, Labels, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.evaluate.compatibility import incompatibilities

TABLE = Tabular((Column("amount"), Column("country", categories=("FI", "SE")), Column("age", optional=True, default=3)))
X = TensorSpec("X", "FP32", (-1, 3), TABLE)
MASK = TensorSpec("mask", "BOOL", (-1,), optional=True)
LABEL = TensorSpec("label", "INT64", (-1,), Labels(("fine", "fraud")))
SCORE = TensorSpec("score", "FP32", (-1, 2))
OLD = Signature((X, MASK), (LABEL, SCORE))


def with_input(spec):
    return Signature((spec, MASK), OLD.outputs)


def with_output(spec):
    return Signature(OLD.inputs, (spec, SCORE))


def with_columns(*columns):
    return with_input(replace(X, meaning=Tabular(columns)))


A, C, G = TABLE.columns
FINE = {
    "itself": OLD,
    "any length": with_input(replace(X, shape=(-1, -1))),
    "any rank": with_input(replace(X, shape=None)),
    "a new optional input": Signature((X, MASK, TensorSpec("extra", "FP32", (-1,), optional=True)), OLD.outputs),
    "a new output": Signature(OLD.inputs, (*OLD.outputs, TensorSpec("why", "FP32", (-1, 3)))),
    "a new label behind": with_output(replace(LABEL, meaning=Labels(("fine", "fraud", "odd")))),
    "a further category": with_columns(A, replace(C, categories=("FI", "NO", "SE")), G),
    "a new optional column": with_columns(A, C, G, Column("hour", optional=True, default=0)),
    "a narrower output": with_output(replace(LABEL, shape=(1,))),
    "no meaning any more": with_input(replace(X, meaning=None)),
}
NOTICED = {
    "input 'X' is gone (it seems to be called 'rows' now)": with_input(replace(X, name="rows")),
    "the new input rows FP32 [-1, 3] must be given": with_input(replace(X, name="rows")),
    "input 'mask' is gone": Signature((X,), OLD.outputs),
    "the new input z FP32 [-1] must be given": Signature((X, MASK, TensorSpec("z", "FP32", (-1,))), OLD.outputs),
    "input 'mask' could be left out, and must be given now": Signature((X, replace(MASK, optional=False)), OLD.outputs),
    "input 'X' was FP32, and is FP64 now": with_input(replace(X, datatype="FP64")),
    "input 'X' took [-1, 3], and takes [-1, 4] now": with_input(replace(X, shape=(-1, 4))),
    "input 'X' took [-1, 3], and takes [1, 3] now": with_input(replace(X, shape=(1, 3))),
    "input 'X' took [-1, 3], and takes [-1, 3, 1] now": with_input(replace(X, shape=(-1, 3, 1))),
    "output 'label' is gone": Signature(OLD.inputs, (SCORE,)),
    "output 'label' was INT64, and is BYTES now": with_output(replace(LABEL, datatype="BYTES")),
    "output 'label' had the shape [-1], and has [-1, 1] now": with_output(replace(LABEL, shape=(-1, 1))),
    "output 'label' had the labels fine, fraud, and has fraud, fine now": with_output(
        replace(LABEL, meaning=Labels(("fraud", "fine")))
    ),
    "column 'country' of input 'X' is gone": with_columns(A, G),
    "the new column 'hour' of input 'X' must be given": with_columns(A, C, G, Column("hour")),
    "the columns of input 'X' have another order: rows sent as plain lists would be misread": with_columns(C, A, G),
    "column 'country' of input 'X' no longer takes SE": with_columns(A, replace(C, categories=("FI", "NO")), G),
    "column 'age' of input 'X' could be left out, and must be given now": with_columns(
        A, C, replace(G, optional=False)
    ),
    "input 'X' meant tabular, and means image now": with_input(replace(X, meaning=Image(1, 3))),
    "rows no longer stand for themselves: requests with several rows would be answered as a whole": replace(
        OLD, rowwise=False
    ),
}


@pytest.mark.parametrize("new", FINE.values(), ids=FINE.keys())
def test_a_client_does_not_notice(new):
    assert incompatibilities(OLD, new) == ()


@pytest.mark.parametrize(("said", "new"), NOTICED.items(), ids=list(NOTICED))
def test_a_client_notices(said, new):
    assert said in incompatibilities(OLD, new)


def test_what_was_of_any_shape_may_not_become_narrow():
    loose = Signature((replace(X, shape=None, meaning=None),), (replace(SCORE, shape=(-1, 2)),))
    assert incompatibilities(loose, Signature((replace(X, meaning=None),), (SCORE,))) == (
        "input 'X' took [...], and takes [-1, 3] now",
    )
    wide = Signature(loose.inputs, (replace(SCORE, shape=None),))
    assert incompatibilities(loose, wide) == ("output 'score' had the shape [-1, 2], and has [...] now",)
