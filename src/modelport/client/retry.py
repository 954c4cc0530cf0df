"""When a request may be sent again: only where the server has certainly not acted on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.client.broken import NoAnswerError, NotSentError
from modelport.client.exchange import Call, Reply, Request, Response
from modelport.client.failures import no_answer

#: Seconds before a connection is tried again: doubled each time, up to the second number.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
#: A server that asks for a longer wait than this gets no retry: the caller should hear of it instead.
LONGEST_RETRY_AFTER = 10.0


@dataclass(slots=True)
class Attempts:
    """The attempts to send one request. Each answer is the seconds to wait before the next, or an end."""

    request: Request | Call
    retries: int
    url: str
    timeout: float | None
    used: int = 0

    def after_failure(self, error: NoAnswerError) -> float:
        """Seconds to wait where no response came. Raises ModelportError where there is no further attempt."""
        if not error.unsent or not self._again():
            raise no_answer(error, self.url, self.timeout) from None
        if isinstance(error, NotSentError) and self.used == 1:
            return 0.0  # a connection that was idle for too long; a new one will do
        return float(min(FIRST_PAUSE * 2 ** (self.used - 1), LONGEST_PAUSE))

    def after_response(self, response: Response | Reply) -> float | None:
        """Seconds to wait where the server said "503, try again later"; None where the response is final."""
        if isinstance(response, Response) and response.status == 503:
            seconds = _seconds(response.headers.get("retry-after", ""))
            if seconds is not None and self._again():
                return seconds
        response.resent = self.used > 0
        return None

    def _again(self) -> bool:
        if not self.request.retry or self.used >= self.retries:
            return False
        self.used += 1
        return True


def _seconds(text: str) -> float | None:
    """A Retry-After in seconds. The form that is a date is for people's browsers; it is not followed."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= LONGEST_RETRY_AFTER else None
