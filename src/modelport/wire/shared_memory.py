"""Tensors that are not in a message but in shared memory which the client and the server both map.

Source: Triton "Shared-Memory Extension": the parameters `shared_memory_region`, `shared_memory_byte_size` and
`shared_memory_offset` of an input or output. What is done with them is a port, so that nothing here touches memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelport.core.errors import InvalidInputError, UnsupportedError
from modelport.wire.http import Buffer
from modelport.wire.quoting import quoted

REGION, SIZE, OFFSET = "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where one tensor's bytes are: `size` bytes at `offset` of a region."""

    region: str
    offset: int
    size: int


class Regions(Protocol):
    """The regions that clients have registered. Both methods raise ModelportError naming what is wrong."""

    def read(self, place: Place) -> memoryview:
        """The bytes there, as they are now: what the client writes later does not change them."""

    def write(self, place: Place, raw: Buffer) -> None:
        """Put bytes there, from the place's start. They fit: the caller has looked."""


class NoRegions:
    """Regions where shared memory is not offered."""

    def read(self, place: Place) -> memoryview:
        """Refuse."""
        raise UnsupportedError(f"this server does not read shared memory (region {place.region!r})")

    def write(self, place: Place, raw: Buffer) -> None:
        """Refuse."""
        raise UnsupportedError(f"this server does not write shared memory (region {place.region!r})")


def place_of(parameters: Mapping[str, Any] | None, what: str) -> Place | None:
    """Where the parameters say that a tensor is, or None where they say nothing. `what` names it: `input 'x'`."""
    if not parameters or REGION not in parameters:
        return None
    region = parameters[REGION]
    if not isinstance(region, str) or not region:
        raise InvalidInputError(f"{what}: {REGION} must be the name of a registered region, not {quoted(region)}")
    return Place(region, _number(parameters, OFFSET, what, 0), _number(parameters, SIZE, what, None))


def check_room(place: Place, needed: int, name: str) -> None:
    """Raise InvalidInputError where an output is larger than the place that the client gave it."""
    if needed > place.size:
        raise InvalidInputError(
            f"output {name!r} has {needed} bytes, but its place in region {place.region!r} has only {place.size}"
        )


def _number(parameters: Mapping[str, Any], key: str, what: str, default: int | None) -> int:
    value = parameters.get(key, default)
    if value is None:
        raise InvalidInputError(f"{what} is in region {quoted(parameters[REGION])}, but {key} is missing")
    if type(value) is not int or not 0 <= value <= _MOST:
        raise InvalidInputError(f"{what}: {key} must be a number of bytes, not {quoted(value)}")
    return value
