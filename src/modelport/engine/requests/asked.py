"""Moments, as people ask for them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from modelport.core.errors import InvalidInputError

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment_of(text: str) -> int:
    """Nanoseconds since 1970 of `90s`, `30m`, `2h`, `7d` (so long ago) or an ISO time, local where it says no zone.

    0 for an empty text. Raises InvalidInputError.
    """
    text = text.strip()
    if not text:
        return 0
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int((time.time() - float(ago[1]) * _SECONDS[ago[2]]) * 1e9)
    try:
        since = datetime.fromisoformat(text).astimezone() - datetime.fromtimestamp(0, UTC)
        return since // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError, OSError):
        raise InvalidInputError(
            f"{text[:80]!r} is no time: write 30m, 2h or 7d for so long ago, or 2026-11-03T12:00:00Z"
        ) from None
