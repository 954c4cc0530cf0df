"""What people read in a response: one object per row, classes by their labels."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from modelport.core.datatypes import DTYPES, Array
from modelport.core.meaning import Labels, Probabilities
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec


def predictions(response: InferenceResponse, signature: Signature) -> dict[str, Any]:
    """`{"model", "version", "predictions": [{output: value}]}`, or `"outputs"` where they have no rows in common."""
    document: dict[str, Any] = {"model": response.model, "version": response.version}
    outputs = response.outputs
    rows = {array.shape[0] if array.ndim else None for array in outputs.values()}
    by_row = signature.rowwise and len(rows) == 1 and None not in rows
    if not by_row or not all(_has_rows(signature.output(name)) for name in outputs):
        document["outputs"] = {name: _plain(array) for name, array in outputs.items()}
        return document
    columns = {name: _column(array, signature.output(name)) for name, array in outputs.items()}
    document["predictions"] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return document


def _has_rows(spec: TensorSpec) -> bool:
    """Whether the first dimension may be one of rows: free, or fixed to one as in models exported for a single row."""
    return spec.shape is None or spec.shape[:1] in ((-1,), (1,))


def _column(array: Array, spec: TensorSpec) -> list[Any]:
    """One output's value for each row."""
    if array.ndim == 2 and array.shape[1] == 1 and not isinstance(spec.meaning, Probabilities):
        array = array[:, 0]
    values: list[Any] = _plain(array)
    labels = spec.meaning.labels if isinstance(spec.meaning, Labels | Probabilities) else ()
    if isinstance(spec.meaning, Labels) and labels and array.dtype.kind in "iu" and array.ndim == 1:
        return [labels[value] if 0 <= value < len(labels) else value for value in values]
    if isinstance(spec.meaning, Probabilities) and array.ndim == 2 and len(labels) == array.shape[1]:
        return [dict(zip(labels, row, strict=True)) for row in values]
    return values


def _plain(array: Array) -> Any:
    if array.dtype.kind in "OSU":
        return _texts(array.tolist())
    if array.dtype == DTYPES["BF16"]:
        array = array.astype(DTYPES["FP32"])
    if (
        array.dtype.kind == "f" and array.ndim
    ):  # orjson writes the shortest digits that tell a float32: 0.1, not 0.10000000149011612
        return orjson.loads(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
    return array.tolist()


def _texts(value: Any) -> Any:
    """Bytes as text; those that are not UTF-8 as {"b64": …}, as TensorFlow Serving writes them."""
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
