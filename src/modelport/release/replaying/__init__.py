"""Logged requests, run again on another version: what differs."""

from modelport.release.replaying.comparing import OutputDifference, Tolerance
from modelport.release.replaying.replay import Answered, Replay, Subject, inputs_of, judged, replay
from modelport.release.replaying.summary import ReplaySummary, summary_of

__all__ = [
    "Answered",
    "OutputDifference",
    "Replay",
    "ReplaySummary",
    "Subject",
    "Tolerance",
    "inputs_of",
    "judged",
    "replay",
    "summary_of",
]
