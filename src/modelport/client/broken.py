"""What a transport raises where a request got no whole response."""

from __future__ import annotations


class NoAnswerError(Exception):
    """The root: the request may have been acted on."""

    #: Whether the server has certainly not got the whole request, so that it may be sent again.
    unsent = False


class NotConnectedError(NoAnswerError):
    """No connection could be made."""

    unsent = True


class AllInUseError(NoAnswerError):
    """No connection became free in time."""

    unsent = True


class NotSentError(NoAnswerError):
    """A connection that had been idle was closed by the server before the whole request was sent."""

    unsent = True


class TooSlowError(NoAnswerError):
    """The server let the client wait for longer than its timeout."""


class BrokenError(NoAnswerError):
    """The connection ended, or what came is not of the protocol, before the response was complete."""
