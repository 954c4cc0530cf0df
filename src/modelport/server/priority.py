"""Letting the event loop in at once when it wakes, also while something long runs on its processor or in Python."""

from __future__ import annotations

import sys

from modelport.core.scheduling import SHORT, be, nice

#: Seconds for which a thread keeps the interpreter while another one waits for it.
_SWITCH = 0.0005


def wake_soon() -> bool:
    """Let this thread, not those that it starts, wake at once; False where the system does not know of that.

    It gets no more time than before, but need not wait for the end of another's slice, some milliseconds.
    """
    return be(nice(), SHORT, inherited=False)


def share_interpreter() -> None:
    """Let a thread that computes in Python (a model that loads, say) give way within half a millisecond, not five."""
    sys.setswitchinterval(_SWITCH)
