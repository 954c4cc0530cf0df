"""What an answer says beside its body: which artifact gave it, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.core.messages import InferenceRequest
from modelport.engine.served import ServedVersion
from modelport.wire.http import Headers
from modelport.wire.remembered import Remembered

TIMING = b"server-timing"
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
    return b"decode;dur=%b, queue;dur=%b, compute;dur=%b" % (
        _milliseconds(request.decoded - request.received),
        _milliseconds(request.started - request.decoded),
        _milliseconds(request.finished - request.started),
    )


def _milliseconds(nanoseconds: int) -> bytes:
    return b"%d.%03d" % divmod(max(nanoseconds, 0) // 1000, 1000)


def _make(served: ServedVersion) -> About:
    fields = ((b"x-model-version", b"%d" % served.version), (b"x-model-digest", b"sha256:" + served.digest.encode()))
    return About(fields, b"".join(b"%b: %b\r\n" % field for field in fields))
