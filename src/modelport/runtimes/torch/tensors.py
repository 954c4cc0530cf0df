"""numpy arrays to PyTorch's tensors and back, without losing a bit, bfloat16 and text included."""

from __future__ import annotations

import warnings
from typing import Any

import ml_dtypes
import numpy as np
import torch

from modelport.core.datatypes import BYTES, DTYPES, Array, bytes_array, text_array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError

#: PyTorch's dtype → datatype of the protocol, for those that it has.
DATATYPES: dict[Any, str] = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.uint16: "UINT16",
    torch.uint32: "UINT32",
    torch.uint64: "UINT64",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}
_BFLOAT16 = DTYPES["BF16"]


def _let_read_only_arrays_pass() -> None:
    """Use up PyTorch's warning of arrays that can't be written to: it is given once in a process.

    Tensors over such arrays are made only for models that are known not to write to their inputs.
    """
    fixed = np.zeros(1, np.float32)
    fixed.setflags(write=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        torch.from_numpy(fixed)


_let_read_only_arrays_pass()


def datatype_for(dtype: Any, what: str) -> str:
    """The protocol's datatype for a dtype of PyTorch; `what` is how an error calls the tensor."""
    name = DATATYPES.get(dtype)
    if name is None:
        raise InvalidModelError(
            f"{what} has elements of {dtype}, which no datatype of the protocol carries ({', '.join(DTYPES)}); "
            "convert it inside the model"
        )
    return name


def tensor_from(array: Array, name: str, device: Any, copied: bool) -> Any:
    """The tensor of an array, on the device; a list of `str` for text. `copied` False may share the array's memory.

    Raises InvalidInputError where a text is not UTF-8, or stands in more than one row.
    """
    if array.dtype == np.object_:
        if array.ndim != 1:
            raise InvalidInputError(f"input {name!r} has shape {list(array.shape)}: PyTorch takes texts as one list")
        return text_array(array, name).tolist()
    if copied or not array.flags.c_contiguous:
        array = array.copy(order="C")
    if array.dtype == _BFLOAT16:
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.to(device)


def array_from(value: Any, name: str) -> Array:
    """A C-contiguous array with what a model gave: a tensor, a number, a text or texts.

    It may share the tensor's memory. Raises ModelFailedError where the protocol has no datatype for it.
    """
    if not isinstance(value, torch.Tensor):
        return _array_from_plain(value, name)
    if value.dtype not in DATATYPES:
        raise ModelFailedError(f"output {name!r} has elements of {value.dtype}, which the protocol does not have")
    try:
        array: Array = value.numpy()
    except (RuntimeError, TypeError):  # on another device, sparse, a parameter, bfloat16 …
        return _array_the_long_way(value)
    return array if array.flags.c_contiguous else array.copy(order="C")


def _array_the_long_way(value: Any) -> Array:
    if value.layout != torch.strided:
        value = value.to_dense()
    tensor = value.detach().cpu().resolve_neg().contiguous()
    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    array: Array = tensor.numpy()
    return array


def _array_from_plain(value: Any, name: str) -> Array:
    if isinstance(value, bool | int | float):
        return np.array(value, {bool: np.bool_, int: np.int64, float: np.float64}[type(value)])
    if isinstance(value, str):
        return bytes_array(np.array(value, np.object_))
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        texts = np.empty(len(value), np.object_)
        texts[:] = value
        return bytes_array(texts)
    raise ModelFailedError(f"output {name!r} is a {type(value).__name__}, which can't be made into a tensor")


def datatype_of_value(value: Any, what: str) -> str:
    """The datatype that `array_from` will give. Raises InvalidModelError."""
    if isinstance(value, torch.Tensor):
        return datatype_for(value.dtype, what)
    for kind, name in ((bool, "BOOL"), (int, "INT64"), (float, "FP64"), (str, BYTES), (list, BYTES), (tuple, BYTES)):
        if isinstance(value, kind):
            return name
    raise InvalidModelError(f"{what} is a {type(value).__name__}, which can't be made into a tensor")


def shape_of_value(value: Any) -> tuple[int, ...]:
    """The shape that `array_from` will give."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return (len(value),) if isinstance(value, list | tuple) else ()
