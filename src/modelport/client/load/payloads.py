"""What a load sends: inputs made from a signature or given, written once as the bytes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelport.client.address import Address
from modelport.client.exchange import Request
from modelport.client.grpc_inference import infer_message
from modelport.client.http1 import Writer
from modelport.client.inference import inference_body
from modelport.client.load.plan import Payload
from modelport.client.plain import plain_body
from modelport.client.status import model_path
from modelport.core.datatypes import BYTES, DTYPES, FLOATS, Array, bytes_array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Column, Tabular
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.examples import example_row

DIALECTS = ("json", "binary", "grpc", "plain")


def payload(
    address: Address,
    model: str,
    version: str,
    inputs: Mapping[str, Array],
    dialect: str,
    headers: Mapping[str, str] | None = None,
) -> Payload:
    """The request for inference on these inputs, with further headers. Raises InvalidInputError."""
    size = sum(_size(array) for array in inputs.values())
    if dialect == "grpc":
        if address.prefix:
            raise InvalidInputError(f"{address.url!r} has a path, which gRPC can't have: give the server's address")
        metadata = tuple((name.lower(), value) for name, value in (headers or {}).items())
        return Payload(dialect, infer_message(model, version, inputs, None, "", None), size, metadata)
    path = model_path(model, version)
    if dialect == "plain":
        body, content_type = plain_body(_plain(inputs))
        request = Request("POST", path.removeprefix("/v2") + "/predict", (body,), {"Content-Type": content_type})
    elif dialect in DIALECTS:
        parts, of_body = inference_body(inputs, None, "", None, binary=dialect == "binary")
        request = Request("POST", path + "/infer", parts, of_body)
    else:
        raise InvalidInputError(f"unknown dialect {dialect!r}; the dialects are {', '.join(DIALECTS)}")
    return Payload(dialect, b"".join(bytes(part) for part in Writer(address, headers).parts(request)), size)


def made_inputs(signature: Signature, rows: int = 1, seed: int | None = None) -> dict[str, Array]:
    """Inputs that fit a signature: typical values where it knows them and zeros elsewhere, or with a seed random ones.

    Optional inputs are left out. Raises InvalidInputError for several rows of a model that takes only one.
    """
    if not signature.inputs:
        raise InvalidInputError("the server does not say what the model's inputs are: give them with --data")
    random = None if seed is None else np.random.default_rng(seed)
    return {spec.name: _made(spec, rows, random) for spec in signature.inputs if not spec.optional}


def _made(spec: TensorSpec, rows: int, random: np.random.Generator | None) -> Array:
    shape = [1 if size == -1 else size for size in spec.shape or ()]
    if spec.shape is not None and spec.shape[:1] == (-1,):
        shape[0] = rows
    elif rows != 1:
        raise InvalidInputError(f"{rows} rows can't be sent: the model takes {spec.describe()}")
    if random is not None:
        return _drawn(spec, shape, random)
    value = np.array(example_row(spec), np.object_ if spec.datatype == BYTES else DTYPES[spec.datatype])
    array = np.broadcast_to(value, shape)
    return bytes_array(array) if spec.datatype == BYTES else np.ascontiguousarray(array)


def _drawn(spec: TensorSpec, shape: list[int], random: np.random.Generator) -> Array:
    if isinstance(spec.meaning, Tabular) and shape[-1:] == [len(spec.meaning.columns)]:
        rows = [[_value(column, spec.datatype, random) for column in spec.meaning.columns] for _ in range(shape[0])]
        if spec.datatype == BYTES:
            return bytes_array(np.array(rows, np.object_))
        return np.array(rows).astype(DTYPES[spec.datatype])
    if spec.datatype == BYTES:
        words = np.array([f"text {number}" for number in random.integers(0, 1000, int(np.prod(shape)))], np.object_)
        return bytes_array(words.reshape(shape))
    if spec.datatype in FLOATS:
        return random.standard_normal(shape).astype(DTYPES[spec.datatype])
    return random.integers(0, 2, shape).astype(DTYPES[spec.datatype])


def _value(column: Column, datatype: str, random: np.random.Generator) -> Any:
    if column.categories:
        return column.categories[int(random.integers(len(column.categories)))]
    if column.minimum is not None and column.maximum is not None:
        number = random.uniform(column.minimum, column.maximum)
    else:
        number = random.normal()
    if datatype == BYTES:
        return str(column.default) if column.default is not None else f"{number:.6g}"
    return number if datatype in FLOATS else round(number)


def _plain(inputs: Mapping[str, Array]) -> Any:
    """The inputs as `plain_body` takes them: the rows of the only input, or `{"inputs": …}`."""
    lists = {name: _texts(array) for name, array in inputs.items()}
    return next(iter(lists.values())) if len(lists) == 1 else {"inputs": lists}


def _texts(array: Array) -> Any:
    if array.dtype != DTYPES[BYTES]:
        return array.tolist()
    flat = [item.decode() for item in array.ravel().tolist()]
    return np.array(flat, np.object_).reshape(array.shape).tolist()


def _size(array: Array) -> int:
    if array.dtype != DTYPES[BYTES]:
        return array.nbytes
    return sum(len(item) for item in array.ravel().tolist())
