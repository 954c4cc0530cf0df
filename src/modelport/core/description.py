"""A signature as a plain document (dicts, lists, numbers, text): what `inspect --json`, the API and the pages show."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from modelport.core.meaning_document import meaning_from_dict
from modelport.core.signature import Signature, TensorSpec


def signature_to_dict(signature: Signature) -> dict[str, Any]:
    """`{"inputs": [...], "outputs": [...]}`, and `"rowwise": false` where that holds.

    Each tensor has name, datatype and shape (null: any rank), and where they say something, optional and meaning.
    """
    document: dict[str, Any] = {
        "inputs": [tensor_to_dict(spec) for spec in signature.inputs],
        "outputs": [tensor_to_dict(spec) for spec in signature.outputs],
    }
    if not signature.rowwise:
        document["rowwise"] = False
    return document


def tensor_to_dict(spec: TensorSpec) -> dict[str, Any]:
    """One tensor as a plain document; `meaning` is there only where it is known."""
    shape = None if spec.shape is None else list(spec.shape)
    document: dict[str, Any] = {"name": spec.name, "datatype": spec.datatype, "shape": shape}
    if spec.optional:
        document["optional"] = True
    if spec.meaning is not None:
        document["meaning"] = _without_defaults(spec.meaning)
    return document


def signature_from_dict(document: dict[str, Any]) -> Signature:
    """The signature that `signature_to_dict` wrote. Raises ValueError or KeyError for anything else."""
    return Signature(
        inputs=tuple(_tensor(item) for item in document["inputs"]),
        outputs=tuple(_tensor(item) for item in document["outputs"]),
        rowwise=document.get("rowwise", True),
    )


def _tensor(item: dict[str, Any]) -> TensorSpec:
    shape, meaning = item["shape"], item.get("meaning")
    return TensorSpec(
        name=item["name"],
        datatype=item["datatype"],
        shape=None if shape is None else tuple(shape),
        meaning=None if meaning is None else meaning_from_dict(meaning),
        optional=item.get("optional", False),
    )


def _without_defaults(meaning: Any) -> dict[str, Any]:
    """A meaning, or a part of one, without what it does not say: a column with only a name has no other field."""
    kept: dict[str, Any] = {}
    for field in fields(meaning):
        value = getattr(meaning, field.name)
        if field.name == "kind" or value != field.default:
            kept[field.name] = [_plain(item) for item in value] if isinstance(value, tuple) else value
    return kept


def _plain(item: Any) -> Any:
    return _without_defaults(item) if is_dataclass(item) else item
