"""What a request's headers ask of the engine: a deadline, a priority."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError

_TIMEOUT, _PROXY_TIMEOUT, _PRIORITY = b"x-request-timeout", b"x-envoy-expected-rq-timeout-ms", b"x-request-priority"
_ASKING = frozenset((_TIMEOUT, _PROXY_TIMEOUT, _PRIORITY))
_SECONDS = re.compile(rb"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|)")
_MILLISECONDS = re.compile(rb"\d{1,12}")
_PRIORITIES = {b"interactive": 0, b"bulk": 1}


@dataclass(frozen=True, slots=True)
class Asked:
    """`seconds` from the receipt of a request for its answer, None where it has time; `priority` as in the request."""

    seconds: float | None = None
    priority: int = 0


NOTHING = Asked()


def asked(headers: Mapping[bytes, bytes]) -> Asked:
    """What the headers, by lower-case names, ask for. Raises InvalidInputError naming a header that can't be read."""
    if _ASKING.isdisjoint(headers):
        return NOTHING
    limits = [
        limit
        for limit in (
            _seconds(headers[_TIMEOUT]) if _TIMEOUT in headers else None,
            _proxy_seconds(headers[_PROXY_TIMEOUT]) if _PROXY_TIMEOUT in headers else None,
        )
        if limit is not None
    ]
    priority = _priority(headers[_PRIORITY]) if _PRIORITY in headers else 0
    return Asked(min(limits, default=None), priority)


def _seconds(value: bytes) -> float:
    match = _SECONDS.fullmatch(value.strip())
    if match is None:
        raise InvalidInputError(
            f"the header x-request-timeout must be seconds, such as 0.25, 2s or 250ms, not {_shown(value)}"
        )
    number = float(match[1])
    return number / 1e3 if match[2] == b"ms" else number


def _proxy_seconds(value: bytes) -> float | None:
    """A proxy's own limit; 0 is its word for none."""
    if _MILLISECONDS.fullmatch(value.strip()) is None:
        raise InvalidInputError(
            f"the header x-envoy-expected-rq-timeout-ms must be whole milliseconds, not {_shown(value)}"
        )
    return int(value) / 1e3 or None


def _priority(value: bytes) -> int:
    priority = _PRIORITIES.get(value.strip().lower())
    if priority is None:
        raise InvalidInputError(f"the header x-request-priority must be interactive or bulk, not {_shown(value)}")
    return priority


def _shown(value: bytes) -> str:
    return repr(value[:60].decode("latin-1"))
