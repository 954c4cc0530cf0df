"""What every gRPC dialect shares: the status code of each kind of error, and the trailer that names the kind.

Source: gRPC "Status codes and their use in gRPC" (`doc/statuscodes.md`); the numbers are part of the protocol.
"""

from __future__ import annotations

from modelport.core.errors import Kind, ModelportError

#: Kind → status code.
STATUS: dict[Kind, int] = {
    Kind.INVALID_INPUT: 3,  # INVALID_ARGUMENT
    Kind.NOT_FOUND: 5,  # NOT_FOUND
    Kind.TOO_LARGE: 8,  # RESOURCE_EXHAUSTED
    Kind.UNSUPPORTED: 12,  # UNIMPLEMENTED
    Kind.TIMEOUT: 4,  # DEADLINE_EXCEEDED
    Kind.DEADLINE_EXCEEDED: 4,
    Kind.CANCELLED: 1,  # CANCELLED
    Kind.OVERLOADED: 8,
    Kind.UNAVAILABLE: 14,  # UNAVAILABLE
    Kind.CONFLICT: 9,  # FAILED_PRECONDITION
    Kind.UNAUTHENTICATED: 16,  # UNAUTHENTICATED
    Kind.FORBIDDEN: 7,  # PERMISSION_DENIED
    Kind.INVALID_MODEL: 9,
    Kind.MISSING_EXTRA: 12,
    Kind.OUT_OF_RESOURCES: 8,
    Kind.MODEL_FAILED: 13,  # INTERNAL
    Kind.INTERNAL: 13,
}

#: The trailing metadata that names an error's kind, where a status code stands for several.
KIND = "modelport-kind"


def kind_trailer(error: ModelportError) -> tuple[tuple[str, str], ...]:
    """The trailing metadata of a call that ends with the error."""
    return ((KIND, str(error.kind)),)
