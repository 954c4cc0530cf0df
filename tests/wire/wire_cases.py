"""Signatures, arrays and requests that the tests of the wire formats share."""

import json

import ml_dtypes
import numpy as np

from modelport.core.datatypes import DTYPES
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.http import HttpCall
from modelport.wire.open_inference import OpenInference

DIALECT = OpenInference()
NUMERIC = [name for name in DTYPES if name != "BYTES"]


def one_input(datatype="FP32", shape=(-1, 3), **options):
    """`x` in, `y` of the same kind out."""
    return Signature((TensorSpec("x", datatype, shape, **options),), (TensorSpec("y", datatype, shape),))


#: Two inputs of different kinds, an optional one, and one of any rank.
MIXED = Signature(
    (
        TensorSpec("number", "FP32", (-1, 2)),
        TensorSpec("text", "BYTES", (-1,)),
        TensorSpec("flag", "BOOL", (-1, -1), optional=True),
        TensorSpec("any", "INT64", None, optional=True),
    ),
    (TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "BYTES", (-1,)), TensorSpec("c", "INT64", (-1,))),
)


def tensor(name="x", shape=(1, 3), datatype="FP32", data=(1.0, 2.0, 3.0), **more):
    made = {"name": name, "shape": list(shape), "datatype": datatype, **more}
    if data is not None:
        made["data"] = list(data)
    return made


def body(*inputs, **more):
    return json.dumps({"inputs": list(inputs), **more}).encode()


def decode(raw, signature=None, headers=None):
    """The request in a body."""
    return DIALECT.decode(HttpCall(raw, headers or {}), signature or one_input())[0]


def decode_binary(head, binary, signature=None):
    return decode(head + binary, signature, {b"inference-header-content-length": b"%d" % len(head)})


def refusal(call, *arguments):
    """The text of the ModelportError that a call raises; fails where it raises none."""
    try:
        call(*arguments)
    except ModelportError as error:
        return str(error)
    raise AssertionError("nothing was raised")


def answer(outputs, encode, request_id=""):
    """A reply's body as one buffer, and its headers."""
    reply = encode(InferenceResponse("m", 3, outputs, request_id))
    whole = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    return whole, dict(reply.headers)


def same(left, right):
    """Whether two arrays are equal in dtype, shape and every bit; any NaN is like any other of its sign-blind kind."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return left.tolist() == right.tolist() if left.dtype == object else left.tobytes() == right.tobytes()


def samples(datatype):
    """Values of a datatype that are easily damaged, as an array of two rows of three."""
    if datatype == "BYTES":
        items = [b"", b"plain", "ünïcødé ✓ 🚀".encode(), b'quo"te\\', b"null", b"nul\0inside"]
    elif datatype == "BOOL":
        items = [True, False, True, True, False, False]
    elif datatype in ("FP16", "BF16", "FP32", "FP64"):
        limits = ml_dtypes.finfo(DTYPES[datatype])
        items = [0.1, -0.0, limits.max, limits.min, limits.smallest_subnormal, 1 / 3]
    else:
        limits = np.iinfo(DTYPES[datatype])
        items = [0, 1, limits.max, limits.min, limits.max - 1, 7]
    array = np.empty(6, DTYPES[datatype])
    array[:] = items
    return array.reshape(2, 3)
