"""What all gRPC calls have in common: what has been asked, and the ways to end."""

import logging
from collections.abc import Sequence

from modelport.server.http2.frames import ErrorCode
from modelport.server.http2.grpc_messages import MessageReader
from modelport.server.http2.grpc_metadata import Metadata, decode_metadata, encode_metadata
from modelport.server.http2.grpc_status import (
    RESPONSE_FIELDS,
    RESPONSE_HEADERS,
    GrpcError,
    StatusCode,
    encode_trailers,
    encode_trailers_only,
    status_fields,
)
from modelport.server.http2.header_blocks import Field, encode_fields
from modelport.server.http2.stream import Buffer, Stream

logger = logging.getLogger(__name__)

Message = Buffer | Sequence[Buffer]
"""A message to send: bytes, or chunks that follow each other. They are not copied and must not change afterwards."""


class GrpcCall(Stream):
    """What unary and streaming calls share.

    `deadline` is in monotonic seconds, infinite if the client set none. `compression` ("gzip" or "deflate") may be
    set before anything is sent; it applies if the client accepts it. After the call has ended, for whatever reason,
    what a handler sends is dropped silently.
    """

    reader: MessageReader | None = None  # none if the request came whole
    compression: str | None = None
    replied = False  # the handler has said its last word
    started = False  # the response's headers have been sent

    @property
    def ended(self) -> bool:
        """Whether an answer can have no effect any more."""
        return self.local_closed or self.replied

    @property
    def metadata(self) -> list[tuple[str, str | bytes]]:
        """The client's custom metadata. Raises GrpcError if a binary value is not base64."""
        try:
            return decode_metadata(self.request.headers)
        except ValueError as error:
            raise GrpcError(StatusCode.INTERNAL, f"bad binary metadata: {error}") from error

    @property
    def time_left(self) -> float:
        """Seconds until the deadline, possibly negative; infinite without one."""
        return self.deadline - self.connection.clock()

    def fail(self, code: int, text: str = "", details: bytes | None = None, trailing: Metadata = ()) -> None:
        """End the call with an error status. `details` is a serialised google.rpc.Status."""
        self.end(code, text, details, trailing)

    def fail_with(self, error: Exception) -> None:
        """End the call for an exception: a GrpcError gives its status, any other INTERNAL, and is logged."""
        if isinstance(error, GrpcError):
            self.end(error.code, error.text, error.details, error.trailing)
        else:
            logger.error("error in the handler of %r", self.request.path, exc_info=error)
            self.end(StatusCode.INTERNAL, "internal error")

    def end(self, code: int, text: str = "", details: bytes | None = None, trailing: Metadata = ()) -> None:
        """Send the status; alone, if nothing has been sent before."""
        if self.ended:
            return
        if self.started:
            block = encode_trailers(code, text, details, trailing)
        else:
            block = encode_trailers_only(status_fields(code, text, details, trailing))
        self.replied = True
        self._drop_assembly()
        self.send_trailers(block)

    def send_initial_metadata(self, metadata: Metadata = ()) -> None:
        """Send the response's headers now, before the first message. They can be sent only once."""
        if self.ended:
            return
        if self.started:
            raise RuntimeError("the response's headers have been sent already")
        encoding = self.encoding
        if not metadata and encoding is None:
            block = RESPONSE_HEADERS
        else:
            coding: list[Field] = [] if encoding is None else [(b"grpc-encoding", encoding)]
            block = encode_fields([*RESPONSE_FIELDS, *coding, *encode_metadata(metadata)])
        self.started = True
        self.send_headers(block)

    @property
    def encoding(self) -> bytes | None:
        """The compression that applies to what is sent."""
        if self.compression is None:
            return None
        encoding = self.compression.encode()
        return encoding if encoding in self.request.route.accepted else None

    def cancelled(self) -> None:
        """The call ended without its handler; tell that."""

    def handle_open(self) -> None:
        connection = self.connection
        timeout = self.request.route.timeout
        if timeout is not None:
            self.deadline = connection.clock() + timeout
            connection.watch(self.deadline)

    def handle_reset(self, code: int) -> None:
        self._drop_assembly()
        if not self.replied:
            self.replied = True
            self.cancelled()

    def handle_deadline(self) -> None:
        if self.queue:
            # The client does not take what it has been sent, so it would not get a status behind it either.
            self.reset(ErrorCode.CANCEL)
            self.handle_reset(ErrorCode.CANCEL)
        elif not self.replied:
            self.end(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded")
            self.cancelled()

    def _feed(self, data: bytes) -> list[bytes | memoryview]:
        """Messages that `data` completes; what remains is charged to the connection. Raises GrpcError."""
        reader = self.reader
        assert reader is not None
        before = reader.held
        try:
            messages = reader.feed(data)
        except GrpcError:
            self.connection.assembling += reader.held - before
            raise
        self._charge(reader.held - before)
        return messages

    def _charge(self, size: int) -> None:
        connection = self.connection
        connection.assembling += size
        if connection.assembling > connection.limits.max_assembly_size:
            raise GrpcError(StatusCode.RESOURCE_EXHAUSTED, "too many unfinished messages on this connection")

    def _drop_assembly(self) -> None:
        if self.reader is not None:
            self.connection.assembling -= self.reader.held
            self.reader.held = 0

    def _has_whole_messages(self) -> bool:
        return self.reader is None or self.reader.complete
