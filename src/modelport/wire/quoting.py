"""How error messages quote what a caller sent: short, whatever it was."""

from __future__ import annotations

import reprlib
from typing import Any

from modelport.core.errors import ModelportError

#: An error's text is cut here: names and shapes in it are the caller's and may be of any length.
LONGEST = 4000


class _Repr(reprlib.Repr):
    """Cut by length and by depth, so that neither a long nor a deep value costs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 60
        self.maxlist = self.maxtuple = self.maxdict = 4
        self.maxlevel = 3


_REPR = _Repr()


def quoted(value: Any) -> str:
    """A value of a request as Python writes it, cut to a line."""
    return _REPR.repr(value)


def error_text(error: ModelportError) -> str:
    """The error's text, cut where it is too long to be read."""
    text = str(error)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
