"""Triton's `model_warmup` as samples of ours."""

from __future__ import annotations

from typing import Any

from modelport.runtimes.repositories.text_format import Message

_DATATYPES = {"TYPE_STRING": "BYTES"}


def samples(config: Message, batched: bool, warnings: list[str]) -> list[dict[str, Any]]:
    """The samples of `[warmup]`; what can't be mapped is added to `warnings`."""
    return [_sample(entry, batched, warnings) for entry in config.get("model_warmup", [])]


def _sample(entry: Message, batched: bool, warnings: list[str]) -> dict[str, Any]:
    name = str(_one(entry, "name", ""))
    rows = int(_one(entry, "batch_size", 0) or 0)
    known = {"name", "batch_size", "inputs", "count"}
    warnings.extend(f"model_warmup.{key} is not mapped" for key in entry if key not in known)
    inputs = {}
    for item in entry.get("inputs", []):
        tensor = _one(item, "value", {})
        inputs[str(_one(item, "key", ""))] = _tensor(tensor, max(1, rows) if batched else 0)
    return {"name": name, "count": max(1, int(_one(entry, "count", 1) or 1)), "inputs": inputs}


def _tensor(tensor: Message, rows: int) -> dict[str, Any]:
    datatype = str(_one(tensor, "data_type", "TYPE_INVALID"))
    dims = [int(size) for size in tensor.get("dims", [])]
    file = _one(tensor, "input_data_file")
    data = f"warmup/{file}" if file else "random" if _one(tensor, "random_data") else "zeros"
    return {
        "datatype": _DATATYPES.get(datatype, datatype.removeprefix("TYPE_")),
        "shape": [rows, *dims] if rows else dims,
        "data": data,
    }


def _one(message: Message, name: str, default: Any = None) -> Any:
    values = message.get(name)
    return values[-1] if values else default
