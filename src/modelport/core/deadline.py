"""The moment after which nobody waits for an answer any more."""

from __future__ import annotations

import time
from dataclasses import dataclass

from modelport.core.errors import DeadlineExceededError


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raise DeadlineExceededError once it has passed."""
        late = -self.remaining
        if late >= 0:
            raise DeadlineExceededError(f"the request's deadline passed {late:.3f} s ago")
