"""A logged request as JSON, within bounds: for the API, for pages and for the terminal."""

from __future__ import annotations

import math
from typing import Any

from modelport.core.datatypes import BYTES, FLOATS
from modelport.engine.requests.record import Record, Tensor

#: Elements of a tensor that are shown, and characters of one that is text.
ELEMENTS, _CHARACTERS = 1000, 1000


def summary_document(record: Record) -> dict[str, Any]:
    """What a list says of a request."""
    return {
        "id": record.id,
        "client_id": record.client_id,
        "at": record.moment,
        "model": record.model,
        "version": record.version,
        "digest": record.digest,
        "rollout": record.rollout,
        "dialect": record.dialect,
        "ok": not record.kind,
        "kind": record.kind,
        "error": record.text,
        "cache": record.cache,
        "ms": {
            "decode": record.decode / 1e6,
            "queue": record.queue / 1e6,
            "compute": record.compute / 1e6,
            "total": record.total / 1e6,
        },
    }


def request_document(record: Record, elements: int = ELEMENTS) -> dict[str, Any]:
    """Everything of a request, with the first `elements` of each tensor."""
    return {
        **summary_document(record),
        "inputs": None if record.inputs is None else [tensor_document(tensor, elements) for tensor in record.inputs],
        "outputs_asked": record.asked,
        "answers": [[tensor_document(tensor, elements) for tensor in answer] for answer in record.answers],
        "hidden": [*record.hidden, *record.hidden_outputs],
        "signature": record.signature,
        "stateful": record.stateful,
    }


def tensor_document(tensor: Tensor, elements: int) -> dict[str, Any]:
    """A tensor as the Open Inference Protocol writes it: its elements in one list, here the first ones.

    What is no number in JSON is null. `shape` is that of the elements, without the `hidden_columns`.
    """
    array = tensor.array()
    values = array.reshape(-1)[:elements].tolist()
    if tensor.datatype == BYTES:
        values = [value.decode("utf-8", "replace")[:_CHARACTERS] for value in values]
    elif tensor.datatype in FLOATS:
        values = [value if math.isfinite(value) else None for value in map(float, values)]
    found: dict[str, Any] = {
        "name": tensor.name, "datatype": tensor.datatype, "shape": list(array.shape), "data": values,
    }  # fmt: skip
    if array.size > elements:
        found["cut"] = int(array.size)
    if tensor.without:
        found["hidden_columns"] = tensor.without
    return found
