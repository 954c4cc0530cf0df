"""What the tests of the hosting platforms' dialects share: signatures, requests, and what a dialect makes of them."""

import json

import numpy as np

from modelport.core.datatypes import DTYPES
from modelport.core.errors import ModelportError
from modelport.core.meaning import Column, Image, Labels, Probabilities, Tabular
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall

CLASSES = ("no", "yes")
LABEL = TensorSpec("label", "INT64", (-1,), Labels(CLASSES))
SCORES = TensorSpec("scores", "FP32", (-1, 2), Probabilities(CLASSES))
VALUE = TensorSpec("value", "FP32", (-1, 1))

#: Three numbers without names in, one number out.
NAMELESS = Signature((TensorSpec("X", "FP32", (-1, 3)),), (VALUE,))
#: The same with names of its columns, one of them a choice; a class and its scores out.
NAMED = Signature(
    (TensorSpec("X", "FP32", (-1, 3), Tabular((Column("a"), Column("b"), Column("c", categories=("x", "y"))))),),
    (LABEL, SCORES),
)
#: One input for each column, as scikit-learn pipelines are exported.
COLUMNS = Signature(
    (TensorSpec("age", "INT64", (-1, 1)), TensorSpec("city", "BYTES", (-1, 1))), (TensorSpec("y", "FP64", (-1,)),)
)
TEXT = Signature((TensorSpec("text", "BYTES", (-1,)),), (LABEL,))
PIXELS = Signature((TensorSpec("x", "FP32", (-1, 2, 2, 1)),), (VALUE,))
PICTURES = Signature((TensorSpec("image", "FP32", (-1, 3, 8, 8), Image(8, 8, 3, "CHW")),), (SCORES,))
WHOLE = Signature((TensorSpec("n", "INT32", (-1, 2)),), (VALUE,))
ALL = [NAMELESS, NAMED, COLUMNS, TEXT, PIXELS, PICTURES, WHOLE]


def call(body, kind="application/json", **headers):
    """A request; JSON where the body is no bytes. `x_y=` is the header `x-y`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return HttpCall(raw, {**({b"content-type": kind.encode()} if kind else {}), **named})


def read(dialect, signature, *arguments, **headers):
    """The arrays that a dialect reads, as nested lists by name; checked against the signature."""
    request, _ = dialect.decode(call(*arguments, **headers), signature)
    signature.check_inputs(request.inputs)
    return {name: array.tolist() for name, array in request.inputs.items()}


def respond(signature, rows=1, names=None):
    """A response that fits the signature: 0, 1, 2 … in each output."""
    outputs = {}
    for spec in signature.outputs:
        shape = tuple(rows if size == -1 else size for size in spec.shape)
        if names is None or spec.name in names:
            outputs[spec.name] = (np.arange(int(np.prod(shape))) % 2).reshape(shape).astype(DTYPES[spec.datatype])
    return InferenceResponse("m", 1, outputs)


def ask(dialect, signature, *arguments, rows=1, **headers):
    """The reply of a dialect to a request, with the response that `respond` makes."""
    request, encode = dialect.decode(call(*arguments, **headers), signature)
    return encode(respond(signature, rows, request.outputs))


def answer(dialect, signature, *arguments, rows=1, **headers):
    """The JSON in that reply."""
    return json.loads(ask(dialect, signature, *arguments, rows=rows, **headers).body)


def refused(dialect, signature, *arguments, **headers):
    """The error that a dialect raises for a request."""
    try:
        dialect.decode(call(*arguments, **headers), signature)
    except ModelportError as error:
        return error
    raise AssertionError("nothing was raised")
