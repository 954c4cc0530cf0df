"""What an Open Inference request declares about an input, checked before its data is looked at: REST and gRPC."""

from __future__ import annotations

from modelport.core.datatypes import dtype_of
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature
from modelport.wire.tensors import check_shape


def check_declared(name: str, datatype: str, shape: list[int], signature: Signature) -> None:
    """Raise InvalidInputError unless the model takes such an input; a huge shape costs nothing.

    The array is then built in exactly the declared datatype and shape, or refused.
    """
    spec = signature.input(name)
    if datatype != spec.datatype:
        dtype_of(datatype)
        raise InvalidInputError(f"input {name!r} has datatype {datatype}, but the model takes {spec.describe()}")
    check_shape(name, shape)
    if not spec.fits(shape):
        raise InvalidInputError(f"input {name!r} has shape {shape}, but the model takes {spec.describe()}")
