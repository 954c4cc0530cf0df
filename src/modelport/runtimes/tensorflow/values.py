"""Arrays ⇄ TensorFlow's tensors, and TensorFlow's errors ⇄ ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import InvalidInputError, ModelFailedError, ModelportError, OutOfResourcesError
from modelport.core.signature import Shape, TensorSpec
from modelport.runtimes.tensorflow.process import tf

#: TensorFlow's name of a dtype → datatype of the protocol.
DATATYPES: dict[str, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "string": BYTES,
}
_TF_NAMES = {datatype: name for name, datatype in DATATYPES.items()}


def tf_dtype(datatype: str) -> Any:
    """TensorFlow's dtype of a datatype."""
    return tf.as_dtype(_TF_NAMES[datatype])


def shape_of(shape: Any) -> Shape:
    """A TensorShape, or a list with None for any length, as a signature has it."""
    shape = tf.TensorShape(shape)
    if shape.rank is None:
        return None
    return tuple(-1 if size is None else int(size) for size in shape.as_list())


def tensor_from(array: Array, datatype: str) -> Any:
    """A tensor with an array's values."""
    return tf.constant(array, tf_dtype(datatype))


def array_from(tensor: Any, spec: TensorSpec) -> Array:
    """A tensor's values as an array of its own. Raises ModelFailedError where the model does not give what it says."""
    if not isinstance(tensor, tf.Tensor):
        raise ModelFailedError(f"the model gave a {type(tensor).__name__} as {spec.name!r}, not a tensor")
    value = tensor.numpy()  # a copy; of a scalar, the scalar itself
    if spec.datatype == BYTES and not isinstance(value, np.ndarray):
        scalar: Array = np.empty((), np.object_)
        scalar[()] = value
        return scalar
    return np.ascontiguousarray(value, DTYPES[spec.datatype]).reshape(np.shape(value))


def prediction_error(error: Exception) -> ModelportError:
    """What to raise for an error of TensorFlow while it predicts."""
    if isinstance(error, ModelportError):
        return error
    text = brief(error)
    if isinstance(error, tf.errors.ResourceExhaustedError | MemoryError):
        return OutOfResourcesError(f"the model does not fit into memory with these inputs: {text}")
    values = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError)
    if isinstance(error, values):
        return InvalidInputError(f"the model refuses these values: {text}")
    return ModelFailedError(f"the model failed: {type(error).__name__}: {text}")


def brief(error: Exception) -> str:
    """An error's first telling line, without addresses of its nodes and stacks of calls."""
    lines = [line.strip() for line in str(getattr(error, "message", None) or error).splitlines()]
    skipped = (
        "Graph execution error",
        "Detected at node",
        "Exception encountered",
        "\x1b[1mException",
        "<stack traces",
    )
    told: Iterable[str] = (line for line in lines if line and not line.startswith(skipped))
    return next(iter(told), type(error).__name__).partition(" [Op:")[0][:500]
