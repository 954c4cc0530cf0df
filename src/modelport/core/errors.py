"""The error tree. An error says what went wrong by its `kind`; each dialect maps kinds to its own codes."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What went wrong, independent of any protocol."""

    INVALID_INPUT = "invalid_input"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CANCELLED = "cancelled"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    CONFLICT = "conflict"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    INVALID_MODEL = "invalid_model"
    MISSING_EXTRA = "missing_extra"
    OUT_OF_RESOURCES = "out_of_resources"
    MODEL_FAILED = "model_failed"
    INTERNAL = "internal"


class ModelportError(Exception):
    """The root of the tree. Its text is shown to the caller: it names the offending thing and what would be right."""

    kind = Kind.INTERNAL


class InvalidInputError(ModelportError):
    """The request is malformed or does not fit the model's signature."""

    kind = Kind.INVALID_INPUT


class NotFoundError(ModelportError):
    """No model, version, tensor or page of that name."""

    kind = Kind.NOT_FOUND


class TooLargeError(ModelportError):
    """A body, header or tensor is over a limit."""

    kind = Kind.TOO_LARGE


class UnsupportedError(ModelportError):
    """The request is well formed but asks for something that this server does not do."""

    kind = Kind.UNSUPPORTED


class SlowRequestError(ModelportError):
    """The client took too long to send its request."""

    kind = Kind.TIMEOUT


class DeadlineExceededError(ModelportError):
    """The request's deadline passed before its answer was ready."""

    kind = Kind.DEADLINE_EXCEEDED


class CancelledError(ModelportError):
    """The caller went away before the answer was ready."""

    kind = Kind.CANCELLED


class OverloadedError(ModelportError):
    """A queue is full: the same request may succeed later."""

    kind = Kind.OVERLOADED


class UnavailableError(ModelportError):
    """The model or the server is not ready to answer: loading, draining or failed to load."""

    kind = Kind.UNAVAILABLE


class ConflictError(ModelportError):
    """The change contradicts the present state."""

    kind = Kind.CONFLICT


class UnauthenticatedError(ModelportError):
    """The caller did not say who they are."""

    kind = Kind.UNAUTHENTICATED


class ForbiddenError(ModelportError):
    """The caller may not do this."""

    kind = Kind.FORBIDDEN


class InvalidModelError(ModelportError):
    """A model file is broken, cut short, of another format or too new."""

    kind = Kind.INVALID_MODEL


class MissingExtraError(ModelportError):
    """A framework is not installed. The text says which extra brings it."""

    kind = Kind.MISSING_EXTRA


class OutOfResourcesError(ModelportError):
    """A model does not fit into the memory that the server may use."""

    kind = Kind.OUT_OF_RESOURCES


class ModelFailedError(ModelportError):
    """The model itself raised while predicting."""

    kind = Kind.MODEL_FAILED


class InternalError(ModelportError):
    """A defect of the server: never the caller's fault."""

    kind = Kind.INTERNAL
