"""Whether an answer is right: its status, and with a check also that it says the same as the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from modelport.client.exchange import Response
from modelport.client.failures import error_of, grpc_error
from modelport.client.inference import inference_result
from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError

#: Floats may differ this much: a row in a batch is not computed in the same order as one alone.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-5
_LONGEST = 300


class Answers:
    """Judges the answers of one process. `check` False: the status alone counts."""

    def __init__(self, dialect: str, *, check: bool) -> None:
        self.check = check
        self._dialect = dialect
        self._first: bytes | None = None
        self._read: Any = None

    def wrong(self, body: bytes, headers: Mapping[str, str]) -> tuple[str, str] | None:
        """What to call an answer that differs from the first one, and how it does; None where it is the same."""
        if body == self._first:
            return None
        try:
            there = self._outputs(body, headers)
        except ModelportError as error:
            return "unreadable", str(error)[:_LONGEST]
        if self._first is None:
            self._first, self._read = body, there
            return None
        found = _difference(self._read, there)
        return None if found is None else ("another answer", found)

    def _outputs(self, body: bytes, headers: Mapping[str, str]) -> Any:
        if self._dialect == "plain":
            return _document(body)
        if self._dialect == "grpc":
            # imported late: who speaks HTTP alone needs no messages of protobuf
            from modelport.client.grpc_inference import infer_reply  # noqa: PLC0415

            return dict(infer_reply(body))
        return dict(inference_result(Response(200, headers, body)))


def refusal(status: int, headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """What to call an HTTP answer other than 2xx, and its text."""
    error = error_of(status, headers, body)
    return f"{status} {error.kind}", str(error)[:_LONGEST]


def grpc_refusal(code: int, text: str, kind: str) -> tuple[str, str]:
    """What to call a gRPC status other than OK, and its text."""
    error = grpc_error(code, text, kind)
    return f"gRPC {code} {error.kind}", str(error)[:_LONGEST]


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body


def _difference(first: Any, there: Any, name: str = "the answer") -> str | None:
    """Where two answers differ, in words."""
    if isinstance(first, dict) and isinstance(there, dict):
        if first.keys() != there.keys():
            return f"{name} has {', '.join(there)} instead of {', '.join(first)}"
        return next((found for key in first if (found := _difference(first[key], there[key], str(key)))), None)
    if isinstance(first, list) and isinstance(there, list) and len(first) == len(there):
        pairs = zip(first, there, strict=True)
        return next((found for one, other in pairs if (found := _difference(one, other, name))), None)
    if isinstance(first, np.ndarray) and isinstance(there, np.ndarray):
        return None if _alike(first, there) else f"{name} is {_short(there)} instead of {_short(first)}"
    if isinstance(first, float) and isinstance(there, float):
        return None if np.isclose(first, there, _RELATIVE, _ABSOLUTE, equal_nan=True) else f"{name} is {there}"
    return None if first == there else f"{name} is {_short(there)} instead of {_short(first)}"


def _alike(first: Array, there: Array) -> bool:
    if first.shape != there.shape or first.dtype != there.dtype:
        return False
    if first.dtype.kind in "fV":
        return np.allclose(first.astype(float), there.astype(float), _RELATIVE, _ABSOLUTE, equal_nan=True)
    return bool(np.array_equal(first, there))


def _short(value: Any) -> str:
    return " ".join(str(value).split())[:80]
