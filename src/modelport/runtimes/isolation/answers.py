"""Reading what a model's process says, as one reads what a stranger says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelport.core import errors
from modelport.core.datatypes import DTYPES, Array
from modelport.core.description import signature_from_dict
from modelport.core.errors import InvalidModelError, Kind, ModelFailedError, ModelportError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.isolation.messages import Failed, Loaded, Tensor
from modelport.runtimes.isolation.tensors import BadTensorError, unpack

_CLASSES: dict[str, type[ModelportError]] = {
    item.kind: item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, ModelportError) and item is not ModelportError
}


def error_of(failed: Failed, otherwise: Kind = Kind.MODEL_FAILED) -> ModelportError:
    """The error that a process reports; of the kind `otherwise` where it names none that there is."""
    return _CLASSES.get(failed.kind, _CLASSES[otherwise])(failed.text)


def loaded_signature(loaded: Loaded, name: str) -> Signature:
    """The signature that a process says its model has. Raises InvalidModelError where it is none."""
    try:
        signature = signature_from_dict(loaded.signature)
        for spec in (*signature.inputs, *signature.outputs):
            _check(spec)
        names = [[spec.name for spec in specs] for specs in (signature.inputs, signature.outputs)]
        if any(len(set(items)) != len(items) for items in names):
            raise ValueError("two tensors have one name")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidModelError(f"{name}: its process describes no signature: {error!r}") from None
    return signature


def outputs_of(
    tensors: Sequence[Tensor], memory: Array | None, signature: Signature, wanted: tuple[str, ...] | None
) -> dict[str, Array]:
    """The outputs that were asked for, in that order, copied from the memory.

    Raises BadTensorError for arrays that are not what they are said to be, ModelFailedError for arrays that do not fit
    the signature.
    """
    names = tuple(spec.name for spec in signature.outputs) if wanted is None else wanted
    arrays = unpack(tensors, memory, copy=True)
    if set(arrays) != set(names):
        raise BadTensorError(f"it gives {_listed(arrays)}, but {_listed(names)} were asked for")
    for name in names:
        spec, array = signature.output(name), arrays[name]
        if array.dtype != DTYPES[spec.datatype] or not spec.fits(array.shape):
            raise ModelFailedError(
                f"the model gave output {name!r} as {array.dtype} {list(array.shape)}, but it says {spec.describe()}"
            )
    return {name: arrays[name] for name in names}


def _check(spec: TensorSpec) -> None:
    if not isinstance(spec.name, str) or spec.datatype not in DTYPES:
        raise ValueError(f"{spec.name!r} has no known datatype")
    if spec.shape is not None and not all(type(size) is int and size >= -1 for size in spec.shape):
        raise ValueError(f"{spec.name!r} has an impossible shape")


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"
