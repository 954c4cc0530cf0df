"""Where a request stands between 0 and 100: the same on every worker and every server, for the same rollout and key.

Those below a rollout's percentage are the candidate's. A percentage that rises only adds to them, so that who was with
the candidate stays there; another rollout draws anew, so that it is not always the same callers who try things out.
"""

from __future__ import annotations

from hashlib import blake2b

#: The header, or gRPC metadata, whose value makes a choice stick where a rollout's plan names no other.
ROUTING_KEY = "x-routing-key"
#: Of a body with more bytes than this, its length and its two ends are what is hashed.
WHOLE = 65536
_SCALE = 100 / 2**64


def place_of(rollout: int, key: bytes | bytearray | memoryview) -> float:
    """The place of a key in a rollout, in [0, 100): its BLAKE2b hash as a fraction. Evenly spread over keys."""
    made = blake2b(b"%d:" % rollout, digest_size=8)
    made.update(key)
    return min(int.from_bytes(made.digest()) * _SCALE, 99.9999999999)


def body_key(body: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """The key of a request that brings none: its bytes, or enough of them."""
    size = len(body)
    if size <= WHOLE:
        return body
    half = WHOLE // 2
    return b"%d:%b%b" % (size, bytes(body[:half]), bytes(body[-half:]))
