"""What people read in a response: one object per row, classes by their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.meaning import Detection
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.detections import is_unbatched
from modelport.wire.renderings import column, partners, plain


def predictions(response: InferenceResponse, signature: Signature) -> dict[str, Any]:
    """`{"model", "version", "predictions": [{output: value}]}`, or `"outputs"` where they have no rows in common."""
    document: dict[str, Any] = {"model": response.model, "version": response.version}
    outputs = _with_batches(response.outputs, signature)
    rows = {array.shape[0] if array.ndim else None for array in outputs.values()}
    by_row = signature.rowwise and len(rows) == 1 and None not in rows
    if not by_row or not all(_has_rows(signature.output(name), array) for name, array in outputs.items()):
        document["outputs"] = {name: plain(array) for name, array in outputs.items()}
        return document
    told = set().union(*(partners(signature.output(name)) for name in outputs))
    columns = {
        name: column(array, signature.output(name), outputs) for name, array in outputs.items() if name not in told
    }
    document["predictions"] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return document


def _has_rows(spec: TensorSpec, array: Array) -> bool:
    """Whether the first dimension may be one of rows: free, or fixed to one as in models exported for a single row."""
    return spec.shape is None or spec.shape[:1] in ((-1,), (1,)) or len(spec.shape) < array.ndim


def _with_batches(outputs: dict[str, Array], signature: Signature) -> dict[str, Array]:
    """The outputs of a detector of single pictures as those of a batch of one."""
    found = dict(outputs)
    for name, array in outputs.items():
        spec = signature.output(name)
        if isinstance(spec.meaning, Detection) and is_unbatched(array):
            for other in {name, *partners(spec)} & outputs.keys():
                found[other] = np.asarray(outputs[other])[np.newaxis]
    return found
