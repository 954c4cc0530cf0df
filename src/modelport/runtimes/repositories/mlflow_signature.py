"""What an `MLmodel` says of its inputs, and the example beside it, as the tables of `modelport.toml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelport.core.datatypes import BYTES, NAMES
from modelport.core.declared import ANY
from modelport.runtimes.repositories.described import inside

#: Flavours whose tensors are named as the signature's are; in the others a table is one input.
_TENSORS = frozenset({"onnx", "tensorflow", "keras"})
_COLUMNS = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "string": "text",
}
#: A larger example is not looked at.
_LARGEST = 8 << 20


def hints(folder: Path, document: dict[str, Any], flavour: str) -> tuple[dict[str, Any], list[str]]:
    """The tables, and warnings about what can't be read: a signature is a help, and a model serves without it."""
    warnings: list[str] = []
    signature = document.get("signature")
    specs = _specs(signature.get("inputs") if isinstance(signature, dict) else None, warnings)
    tables: dict[str, Any] = {}
    if isinstance(signature, dict) and signature.get("params"):
        warnings.append("the parameters of its signature are not mapped")
    tensors = {spec["name"]: made for spec in specs if spec.get("name") and (made := _tensor(spec)) is not None}
    if tensors and flavour in _TENSORS:
        tables["inputs"] = tensors
    elif specs and all(spec.get("type") in _COLUMNS and spec.get("name") for spec in specs):
        example = example_row(folder, document, warnings)
        columns = [_column(spec, example.get(spec["name"])) for spec in specs]
        tables["inputs"] = {ANY: {"kind": "tabular", "columns": columns}}
    return tables, warnings


def _specs(written: Any, warnings: list[str]) -> list[dict[str, Any]]:
    """The inputs of a signature, which are JSON within the YAML."""
    if written is None:
        return []
    try:
        specs = json.loads(written) if isinstance(written, str) else written
    except (ValueError, RecursionError) as error:
        warnings.append(f"the inputs of its signature can't be read: {error}")
        return []
    return [spec for spec in specs if isinstance(spec, dict)] if isinstance(specs, list) else []


def _tensor(spec: dict[str, Any]) -> dict[str, Any] | None:
    """A `tensor-spec` as datatype and shape; None for anything else."""
    inner = spec.get("tensor-spec")
    if spec.get("type") != "tensor" or not isinstance(inner, dict):
        return None
    dtype, shape = inner.get("dtype"), inner.get("shape")
    names = {str(known): name for known, name in NAMES.items()}
    datatype = BYTES if dtype in ("str", "object", "string") else names.get(str(dtype))
    if datatype is None or not isinstance(shape, list):
        return None
    return {"datatype": datatype, "shape": shape}


def _column(spec: dict[str, Any], example: Any) -> dict[str, Any]:
    """A column with its type, and the example's value as the one that a form begins with."""
    column: dict[str, Any] = {"name": spec["name"], "type": _COLUMNS[spec["type"]]}
    text = column["type"] == "text"
    fits = isinstance(example, str) if text else isinstance(example, int | float) and not isinstance(example, bool)
    return {**column, "default": example} if fits else column


def example_row(folder: Path, document: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """The first row of the input example by column; empty where there is none that can be read."""
    info = document.get("saved_input_example_info")
    if not isinstance(info, dict) or info.get("type") != "dataframe" or not isinstance(info.get("artifact_path"), str):
        return {}
    path = inside(folder, info["artifact_path"], "MLmodel")
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        frame = json.loads(path.read_text(encoding="utf-8"))
        return dict(zip(frame["columns"], frame["data"][0], strict=True))
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        warnings.append(f"its input example can't be read: {error}")
        return {}
