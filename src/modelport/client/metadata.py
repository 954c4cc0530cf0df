"""The signature in a server's model metadata."""

from __future__ import annotations

from typing import Any

import msgspec

from modelport.core.errors import InternalError
from modelport.core.meaning import Meaning
from modelport.core.meaning_document import meaning_from_dict
from modelport.core.signature import Signature, TensorSpec


def signature_from_metadata(document: Any) -> Signature:
    """The signature in `{"inputs": [...], "outputs": [...]}`; what a server leaves out is unknown, not wrong.

    What a tensor means stands in `parameters.meaning` (Modelport's own; other servers have none). Raises InternalError
    where the document is not of the Open Inference Protocol.
    """
    try:
        return Signature(
            inputs=tuple(_tensor(item) for item in document.get("inputs") or ()),
            outputs=tuple(_tensor(item) for item in document.get("outputs") or ()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InternalError(f"the server's model metadata is not of the Open Inference Protocol: {error!r}") from None


def _tensor(item: dict[str, Any]) -> TensorSpec:
    shape, parameters = item.get("shape"), item.get("parameters") or {}
    return TensorSpec(
        name=item["name"],
        datatype=item["datatype"],
        # some servers write 64-bit numbers as text, as protobuf's JSON form does
        shape=None if shape is None else tuple(int(size) for size in shape),
        meaning=_meaning(parameters.get("meaning")),
        optional=bool(parameters.get("optional", item.get("optional", False))),
    )


def _meaning(value: Any) -> Meaning | None:
    """A meaning as an object, or as its JSON text. One of a kind that this client does not know yet is left out."""
    try:
        document = msgspec.json.decode(value) if isinstance(value, str) else value
        return meaning_from_dict(document) if isinstance(document, dict) else None
    except (ValueError, msgspec.DecodeError):
        return None
