"""What an inference dialect sees of HTTP: a body with headers in, a reply out. No sockets, no framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from modelport.core.datatypes import Array
from modelport.core.errors import Kind, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.signature import Signature

Buffer = bytes | bytearray | memoryview
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
#: What a client is told to wait, in seconds, where the same request may succeed later.
RETRY_AFTER = {Kind.OVERLOADED: b"1", Kind.UNAVAILABLE: b"2"}

#: Kind → status code, where a dialect has no code of its own (RFC 9110; 499 as nginx uses it; 507 from RFC 4918).
STATUS: dict[Kind, int] = {
    Kind.INVALID_INPUT: 400,
    Kind.NOT_FOUND: 404,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 501,
    Kind.TIMEOUT: 408,
    Kind.DEADLINE_EXCEEDED: 504,
    Kind.CANCELLED: 499,
    Kind.OVERLOADED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.CONFLICT: 409,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.INVALID_MODEL: 500,
    Kind.MISSING_EXTRA: 501,
    Kind.OUT_OF_RESOURCES: 507,
    Kind.MODEL_FAILED: 500,
    Kind.INTERNAL: 500,
}


@dataclass(slots=True)
class HttpCall:
    """One request's body, decompressed, and its headers by lower-case name (the last one where a name comes twice)."""

    body: Buffer
    headers: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class HttpReply:
    """A status, and a body as one buffer or several that are sent one after the other."""

    body: bytes | list[Buffer]
    status: int = 200
    content_type: bytes = JSON
    headers: Headers = ()


#: The part of a path that names a model and perhaps a version, as most dialects have it.
MODEL_PATH = r"models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"

#: Turns the response to one request into its reply; raises ModelportError where the values can't be written.
Encode = Callable[[InferenceResponse], HttpReply]


#: One input of every row: its name, its datatype, the letter of its elements in `struct`, its shape.
RowInput = tuple[bytes, bytes, str, tuple[int, ...]]
#: One output: what stands before and behind the number of rows, then the rows: as JSON, and whether they are single
#: numbers; or as bytes, and how many a row has.
Column = tuple[bytes, bytes, bytes, int]
#: What the JSON head of a request with binary tensors means: the rows, its id, and the inputs' places in their order.
RowPlan = tuple[int | bytes, ...]


class RowForm(Protocol):
    """How a dialect writes requests and answers that are rows of a batch. Its `row_form` says which a request has."""

    #: Tells the forms of one dialect apart.
    name: str
    #: Whether tensors are bytes behind the JSON.
    binary: bool
    #: Of the answers.
    content_type: bytes

    def inputs(self, signature: Signature) -> tuple[RowInput, ...] | None:
        """The inputs of a signature whose rows all have one size; None for any other."""

    def plans(self, signature: Signature) -> dict[bytes, RowPlan] | None:
        """What heads of binary requests mean, as far as they were read before; None where requests are JSON alone."""

    def row_bytes(self, inputs: tuple[RowInput, ...]) -> int:
        """The size of one row of all inputs."""

    def prefix(self, model: str, version: int) -> bytes:
        """How the body of every answer of a version begins."""

    def columns(self, outputs: Mapping[str, Array], known: dict[str, Any]) -> tuple[Column, ...] | None:
        """The outputs of a batch as text or bytes; None where that can't be cut into rows.

        `known` is what it remembers of a version's outputs, empty at first.
        """

    def reply(self, body: bytes, json: int) -> HttpReply:
        """An answer that was put together of the columns; its first `json` bytes are its JSON."""

    def encode(self, response: InferenceResponse) -> HttpReply:
        """The answer to one request: the same as what is cut out of the columns."""


class HttpDialect(Protocol):
    """One serving system's way to write inference over HTTP. Stateless: one object serves all connections."""

    @property
    def name(self) -> str:
        """The dialect's name in metrics."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """Regular expressions of the paths that are inference in this dialect, with the groups `model` and `version`.

        A path without `model` means the only model that is served, or the one that `model_of` finds in the headers.
        """

    def model_of(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The model that the headers name, for paths that do not; None where they name none."""

    def decode(self, call: HttpCall, signature: Signature) -> tuple[InferenceRequest, Encode]:
        """Read and validate a request. Raises nothing but ModelportError, whatever the bytes."""

    def refuse(self, error: ModelportError) -> HttpReply:
        """An error in the dialect's own form and code."""


def error_headers(error: ModelportError) -> Headers:
    """`Retry-After` for the kinds that pass by themselves."""
    seconds = RETRY_AFTER.get(error.kind)
    return ((b"retry-after", seconds),) if seconds else ()
