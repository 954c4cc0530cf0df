"""The id that an answer carries: which rollout and which version it came from, and a token that is unique.

`ROLLOUT-VERSION-TOKEN`, as `0-3-a7k2m9q4s1bv5` or `12-4-a7k2m9q4s1bv6`. The token is twelve characters that are drawn
when a process starts, and then how many ids it gave before, in hexadecimal digits.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from itertools import count

from modelport.core.errors import InvalidInputError

#: Characters of a token that name the process.
PROCESS = 12
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_TEXT = re.compile(rf"(0|[1-9][0-9]{{0,17}})-([1-9][0-9]{{0,17}})-([0-9a-v]{{{PROCESS}}}[0-9a-f]{{1,12}})")
_SHAPE = "ROLLOUT-VERSION-TOKEN, as 0-3-a7k2m9q4s1bv5"


@dataclass(frozen=True, slots=True)
class RequestId:
    """An id, taken apart. `rollout` 0: the answer had nothing to do with a rollout."""

    rollout: int
    version: int
    token: str

    @property
    def process(self) -> str:
        """What the process that gave the id drew when it started."""
        return self.token[:PROCESS]

    @property
    def number(self) -> int:
        """How many ids that process had given before."""
        return int(self.token[PROCESS:], 16)

    def __str__(self) -> str:
        return f"{self.rollout}-{self.version}-{self.token}"


class _Source:
    """The ids of one process: what it drew, and how many it gave."""

    __slots__ = ("next", "process")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew: at the start, and in a process that was forked."""
        self.process = "".join(secrets.choice(_ALPHABET) for _ in range(PROCESS))
        self.next = count().__next__


_source = _Source()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_source.renew)


def new_request_id(version: int, rollout: int = 0) -> str:
    """An id that no other answer has, of this process or another. Any thread may ask."""
    return f"{rollout}-{version}-{_source.process}{_source.next():x}"


def process_token() -> str:
    """What the tokens of this process begin with."""
    return _source.process


def parse_request_id(text: str) -> RequestId:
    """The parts of an id. Raises InvalidInputError naming what is wrong with it."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise InvalidInputError(f"{text[:80]!r} is no request id: {_wrong(text)}; an id is {_SHAPE}")
    return RequestId(int(found[1]), int(found[2]), found[3])


def _wrong(text: str) -> str:
    parts = text.split("-")
    if not text:
        return "it is empty"
    if len(parts) != 3:
        return f"it has {len(parts)} part{'s' if len(parts) != 1 else ''} instead of 3"
    for name, part, least in (("rollout", parts[0], "0"), ("version", parts[1], "1")):
        if re.fullmatch(f"{least}|[1-9][0-9]{{0,17}}", part, re.ASCII) is None:
            return f"its {name} {part[:20]!r} is not a whole number of {least} or more"
    return f"its token {parts[2][:40]!r} is not of {PROCESS} characters and some hexadecimal digits"
