"""A connection's header blocks as requests, with a memory for those that come again."""

from collections.abc import Callable

from modelport.server.http2.frames import ErrorCode, Http2ConnectionError
from modelport.server.http2.header_blocks import BlockDecoder, DecodedBlock, HeaderBlockError
from modelport.server.http2.requests import Request, parse_request

MAX_KNOWN_BLOCKS = 256
MAX_KNOWN_BLOCK_SIZE = 2048
NO_BLOCKS: dict[bytes, Request] = {}
NO_FIELDS = DecodedBlock()


class RequestBlocks:
    """Decodes the header blocks of a connection, all of them and in order.

    A block that left the dynamic table as it was means the same again until the table changes, whether it refers to
    entries of the table or not. Most clients send nothing but such blocks after their first requests.
    """

    def __init__(self, max_list_size: int, prepare: Callable[[Request], None]) -> None:
        self._decoder = BlockDecoder(max_list_size)
        self._prepare = prepare
        self._known: dict[bytes, Request] = {}
        self._known_version = 0  # of the decoder's table, for which `_known` holds
        self._repeatable = False  # the block decoded last left the table as it was

    def known(self) -> dict[bytes, Request]:
        """Requests by header block, as of now: good until the next call of `decode`."""
        return self._known if self._known_version == self._decoder.version else NO_BLOCKS

    def decode(self, block: bytes) -> DecodedBlock:
        """The fields of a block that is not known, or is not a request's. Raises Http2ConnectionError."""
        version = self._decoder.version
        try:
            fields = self._decoder.decode(block)
        except HeaderBlockError as error:
            raise Http2ConnectionError(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        self._repeatable = self._decoder.version == version and len(block) <= MAX_KNOWN_BLOCK_SIZE
        return fields

    def check(self, block: bytes, fields: DecodedBlock) -> Request:
        """The request that the block decoded last is. Raises MalformedRequestError."""
        request = parse_request(fields)
        self._prepare(request)
        if self._repeatable:
            if self._known_version != self._decoder.version or len(self._known) >= MAX_KNOWN_BLOCKS:
                self._known.clear()
                self._known_version = self._decoder.version
            self._known[block] = request
        return request
