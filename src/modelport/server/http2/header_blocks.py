"""HPACK (RFC 7541) as this server needs it: a decoder that tells when its table changed, an encoder without state.

The dynamic table and the Huffman code are the `hpack` package's. The field loop is written out here because decoding
a block field by field through that package costs several times as much as all the rest of a small request.
"""

from collections.abc import Iterable

from hpack import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from modelport.server.http2.frames import DEFAULT_TABLE_SIZE

Field = tuple[bytes, bytes]

STATIC_FIELDS: tuple[Field, ...] = HeaderTable.STATIC_TABLE
STATIC_COUNT = len(STATIC_FIELDS)
ENTRY_OVERHEAD = 32
MAX_HUFFMAN_MEMO = 256


class HeaderBlockError(Exception):
    """The block is not HPACK; the connection's header state is lost."""


class DecodedBlock(list[Field]):
    """The fields of a block. `oversized` tells that it holds only the first of them, up to the list size limit."""

    oversized = False


class BlockDecoder:
    """Decodes the header blocks of one connection, in the order received.

    `version` grows whenever the dynamic table changes. A block that was decoded without changing it decodes to the
    same fields again as long as `version` is the same, so its result may be kept.
    """

    def __init__(self, max_list_size: int, max_table_size: int = DEFAULT_TABLE_SIZE) -> None:
        self.version = 0
        self._max_list_size = max_list_size
        self._max_table_size = max_table_size
        self._table = HeaderTable()
        self._table.maxsize = max_table_size
        self._huffman: dict[bytes, bytes] = {}

    def decode(self, block: bytes) -> DecodedBlock:
        """The fields of a whole block. Raises HeaderBlockError.

        The list size is bounded while decoding, but the block is read to its end, so that the table stays in step.
        """
        try:
            return self._decode(block)
        except (IndexError, HPACKError, ValueError) as error:
            raise HeaderBlockError(str(error) or "truncated header block") from error

    def _decode(self, block: bytes) -> DecodedBlock:
        # One loop on purpose: with clients whose blocks change in each request it is most of a request's cost.
        fields = DecodedBlock()
        room = self._max_list_size
        table = self._table
        at, end, started = 0, len(block), False
        while at < end:
            first = block[at]
            if first & 0x80:  # indexed field
                index, at = (first & 0x7F, at + 1) if first != 0xFF else read_integer(block, at, 0x7F)
                field = STATIC_FIELDS[index - 1] if 0 < index <= STATIC_COUNT else self._dynamic_field(index)
            elif first & 0xE0 == 0x20:  # dynamic table size update
                size, at = read_integer(block, at, 0x1F)
                if started or size > self._max_table_size:
                    raise ValueError("dynamic table size update out of place or above the maximum")
                if size != table.maxsize:
                    table.maxsize = size
                    self.version += 1
                continue
            else:  # literal, with incremental indexing (01), without (0000) or never indexed (0001)
                mask = 0x3F if first & 0x40 else 0x0F
                index = first & mask
                if index == mask:
                    index, at = read_integer(block, at, mask)
                else:
                    at += 1
                if index:
                    name = (STATIC_FIELDS[index - 1] if index <= STATIC_COUNT else self._dynamic_field(index))[0]
                else:
                    name, at = self._string(block, at)
                value, at = self._string(block, at)
                field = (name, value)
                if mask == 0x3F:
                    table.add(name, value)
                    self.version += 1
            started = True
            room -= len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
            if room >= 0:
                fields.append(field)
        fields.oversized = room < 0
        return fields

    def _dynamic_field(self, index: int) -> Field:
        position = index - STATIC_COUNT - 1
        if position < 0:
            raise ValueError("header field index 0")
        return self._table.dynamic_entries[position]

    def _string(self, block: bytes, at: int) -> tuple[bytes, int]:
        first = block[at]
        length, at = (first & 0x7F, at + 1) if first & 0x7F != 0x7F else read_integer(block, at, 0x7F)
        text = block[at : at + length]
        if len(text) != length:
            raise ValueError("truncated header block")
        if first & 0x80:
            return self._from_huffman(text), at + length
        return text, at + length

    def _from_huffman(self, text: bytes) -> bytes:
        plain = self._huffman.get(text)
        if plain is None:
            plain = bytes(decode_huffman(text))
            if len(self._huffman) >= MAX_HUFFMAN_MEMO:
                self._huffman.clear()
            if len(text) <= 64:
                self._huffman[text] = plain
        return plain


def read_integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """An HPACK integer whose prefix is the low bits `mask` of the byte at `at`; also where it ends."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if not byte & 0x80:
            return number, at
        shift += 7
        if shift > 28:
            raise ValueError("header block integer is too long")


def write_integer(number: int, mask: int, pattern: int) -> bytes:
    """An HPACK integer with prefix `mask`, its first byte's other bits set to `pattern`."""
    if number < mask:
        return bytes((pattern | number,))
    encoded = bytearray((pattern | mask,))
    number -= mask
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_fields(fields: Iterable[Field]) -> bytes:
    """A header block that refers to the static table only, so that it is valid on any connection at any time."""
    return b"".join([encode_field(name, value) for name, value in fields])


def encode_field(name: bytes, value: bytes) -> bytes:
    """One field: indexed if the static table holds it, else a literal that is not added to the peer's table."""
    known = HeaderTable.STATIC_TABLE_MAPPING.get(name)
    if known is None:
        encoded = b"\0" + write_integer(len(name), 0x7F, 0) + name
    else:
        index = known[1].get(value)
        if index is not None:
            return write_integer(index, 0x7F, 0x80)
        encoded = write_integer(known[0], 0x0F, 0)
    return encoded + write_integer(len(value), 0x7F, 0) + value
