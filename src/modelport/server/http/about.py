"""What an answer says beside its body: which artifact gave it, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.core.messages import InferenceRequest
from modelport.engine.served import ServedVersion
from modelport.wire.http import Headers
from modelport.wire.remembered import Remembered

TIMING = b"server-timing"
REQUEST_ID = b"x-request-id"
#: Versions that are remembered; one more empties the memory.
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class About:
    """The headers that all answers of a version have, as fields and as the lines of an HTTP/1.1 head."""

    fields: Headers
    lines: bytes


_known: Remembered[About] = Remembered(_REMEMBERED)


def about(served: ServedVersion) -> About:
    """What is said of a version: `x-model-version` and `x-model-digest`."""
    return _known.get((served.version, served.digest), _make, served)


def timing(request: InferenceRequest) -> bytes:
    """The value of `server-timing` for a computed request, in milliseconds. `native/answer.c` writes the same."""
    decode = (request.decoded - request.received) // 1000
    queue = (request.started - request.decoded) // 1000
    compute = (request.finished - request.started) // 1000
    if decode < 0 or queue < 0 or compute < 0:  # not computed at all: answered from a cache, say
        decode, queue, compute = max(decode, 0), max(queue, 0), max(compute, 0)
    return b"decode;dur=%d.%03d, queue;dur=%d.%03d, compute;dur=%d.%03d" % (
        decode // 1000, decode % 1000, queue // 1000, queue % 1000, compute // 1000, compute % 1000,
    )  # fmt: skip


def _make(served: ServedVersion) -> About:
    fields = ((b"x-model-version", b"%d" % served.version), (b"x-model-digest", b"sha256:" + served.digest.encode()))
    return About(fields, b"".join(b"%b: %b\r\n" % field for field in fields))
