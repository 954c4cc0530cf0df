"""Plain prediction, for people: records by column name, rows, texts or a file in; labels and numbers out.

`POST /models/{model}[/versions/{version}]/predict`, and `/predict` where one model is served. The format is
Modelport's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from modelport.core.datatypes import BYTES, Array
from modelport.core.errors import InvalidInputError, ModelportError, UnsupportedError
from modelport.core.messages import InferenceRequest
from modelport.core.signature import Signature
from modelport.wire.http import MODEL_PATH, STATUS, Encode, HttpCall, HttpReply, error_headers
from modelport.wire.json_tensors import dumps, loads
from modelport.wire.media import file_input, file_tensor, kind_by_content
from modelport.wire.multipart import only_file
from modelport.wire.predictions import predictions
from modelport.wire.quoting import error_text
from modelport.wire.records import tensors_from_document
from modelport.wire.rows import tensor_from_rows

_JSON_TYPES = ("", "application/json", "text/json", "application/x-www-form-urlencoded")


class Plain:
    """The dialect of `/predict`."""

    name = "plain"
    patterns = (rf"/{MODEL_PATH}/predict", r"/predict")

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """`/predict` is for the only model."""
        return None

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read a request by its Content-Type: JSON, a picture, a recording, text, or one uploaded file of those."""
        content_type = call.headers.get(b"content-type", b"").decode("latin-1")
        inputs = inputs_from_body(bytes(call.body), content_type, signature)
        return InferenceRequest(inputs), lambda response: HttpReply(dumps_finite(predictions(response, signature)))

    def refuse(self, error: ModelportError) -> HttpReply:
        """`{"error": text, "kind": kind}` with the kind's status."""
        body = dumps({"error": error_text(error), "kind": str(error.kind)})
        return HttpReply(body, STATUS[error.kind], headers=error_headers(error))


def inputs_from_body(body: bytes, content_type: str, signature: Signature) -> dict[str, Array]:
    """The arrays that a body of that type means to this signature. Raises InvalidInputError or UnsupportedError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        body, kind = only_file(body, content_type)
    family = kind_by_content(body) or kind.partition("/")[0]
    if family in ("image", "audio"):
        spec = file_input(family, signature)
        inputs = {spec.name: file_tensor(body, spec)}
    elif kind in _JSON_TYPES or kind.endswith("+json") or (kind == "text/plain" and _is_json_for(body, signature)):
        return tensors_from_document(_document(body), signature)
    elif kind == "text/plain":
        inputs = _text(body, signature)
    else:
        raise UnsupportedError(
            f"Content-Type {kind!r} is not understood here; send application/json, an image (image/png, image/jpeg, "
            "image/webp), a recording (audio/wav), text/plain, or one file as multipart/form-data"
        )
    signature.check_inputs(inputs)
    return inputs


def dumps_finite(document: Any) -> bytes:
    """JSON that every parser reads: NaN and infinities are null."""
    return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def _document(body: bytes) -> Any:
    if not body.strip():
        raise InvalidInputError('the body is empty; send JSON such as {"instances": [...]}')
    return loads(body)


def _is_json_for(body: bytes, signature: Signature) -> bool:
    """Whether what calls itself text is JSON for a model that takes no text: browsers' `fetch` names no other type."""
    return body.lstrip()[:1] in (b"{", b"[") and not any(spec.datatype == BYTES for spec in signature.inputs)


def _text(body: bytes, signature: Signature) -> dict[str, Array]:
    texts = [spec for spec in signature.inputs if spec.datatype == BYTES]
    if len(texts) != 1 or len(signature.inputs) != 1:
        wanted = "; ".join(spec.describe() for spec in signature.inputs)
        raise InvalidInputError(f"this model does not take a single text; it takes {wanted}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the text is not UTF-8: {error.reason} at byte {error.start}") from None
    return {texts[0].name: tensor_from_rows(texts[0], [text])}
