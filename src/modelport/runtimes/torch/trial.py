"""Trial runs: a model that does not say what its outputs are is run on zeros, and shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from modelport.core.datatypes import BYTES, Array, dtype_of
from modelport.core.errors import InvalidModelError
from modelport.core.signature import TensorSpec
from modelport.runtimes.torch.errors import clean
from modelport.runtimes.torch.inputs import Inputs
from modelport.runtimes.torch.results import named_values
from modelport.runtimes.torch.tensors import datatype_of_value, shape_of_value, tensor_from

#: What a model is called with: its tensors by name (texts as lists of `str`).
Call = Callable[[dict[str, Any]], Any]

#: Two numbers of rows; what changes with them in an output is free.
_ROWS = (2, 3)
#: Pairs of lengths for other free axes, tried until the model takes them: pictures must not be too small for it.
_LENGTHS = ((2, 3), (8, 16), (64, 96), (224, 256))


def tried(call: Call, inputs: Inputs, device: Any, name: str) -> tuple[tuple[TensorSpec, ...], list[TensorSpec]]:
    """The inputs, with a free first axis where the model shows that rows come and go, and the outputs.

    Raises InvalidModelError where the model can't be run on zeros.
    """
    if inputs.rows_guessed is not None:
        try:
            outputs = _measured(call, inputs.rows_guessed, device, name)
        except Exception:  # a fixed number of rows: the example's own shape is what is left
            outputs = []
        if outputs and all(spec.shape and spec.shape[0] == -1 for spec in outputs):
            return inputs.rows_guessed, outputs
    try:
        return inputs.specs, _measured(call, inputs.specs, device, name)
    except InvalidModelError:
        raise
    except Exception as error:
        given = "; ".join(spec.describe() for spec in inputs.specs)
        raise InvalidModelError(
            f"{name} failed on a trial run with zeros for {given}: {clean(error)}. Are these the datatypes and shapes "
            "that it takes? [inputs.NAME] in modelport.toml says them"
        ) from error


def _measured(call: Call, specs: tuple[TensorSpec, ...], device: Any, name: str) -> list[TensorSpec]:
    free = any(-1 in (spec.shape or ()) for spec in specs)
    deeper = any(-1 in (spec.shape or ())[1:] for spec in specs)
    failure: Exception | None = None
    for lengths in _LENGTHS if deeper else _LENGTHS[:1]:
        try:
            one = _run(call, specs, (_ROWS[0], lengths[0]), device)
            other = _run(call, specs, (_ROWS[1], lengths[1]), device) if free else one
        except Exception as error:
            failure = failure or error
            continue
        return list(_compared(one, other, name))
    raise failure or InvalidModelError(f"{name} could not be tried")


def _run(call: Call, specs: tuple[TensorSpec, ...], sizes: tuple[int, int], device: Any) -> dict[str, Any]:
    tensors = {spec.name: tensor_from(_zeros(spec, sizes), spec.name, device, copied=False) for spec in specs}
    with torch.inference_mode():
        return named_values(call(tensors))


def _zeros(spec: TensorSpec, sizes: tuple[int, int]) -> Array:
    shape = tuple(sizes[index > 0] if size < 0 else size for index, size in enumerate(spec.shape or ()))
    if spec.datatype == BYTES:
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, dtype_of(spec.datatype))


def _compared(one: dict[str, Any], other: dict[str, Any], name: str) -> Iterator[TensorSpec]:
    if not one or list(one) != list(other):
        raise InvalidModelError(f"{name} gives no outputs, or other outputs for other shapes: {', '.join(one)}")
    for key, value in one.items():
        shape, second = shape_of_value(value), shape_of_value(other[key])
        datatype = datatype_of_value(value, f"{name}: output {key!r}")
        if len(shape) != len(second):
            raise InvalidModelError(f"{name}: output {key!r} has {len(shape)} axes or {len(second)}")
        free = tuple(size if size == again else -1 for size, again in zip(shape, second, strict=True))
        yield TensorSpec(key, datatype, free)
