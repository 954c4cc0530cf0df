"""When a rollout is to be aborted: `error_rate > 1% or p99 > 2x or disagreement > 2%`, read without running anything.

    rule       = all { "or" all }            all = one { "and" one }         one = "(" rule ")" | comparison
    comparison = metric (">" | ">=") number unit

A metric is the candidate's. `error_rate` and `disagreement` are shares: a limit is a percentage (`1%`) or a fraction
(`0.01`). `p50`, `p90`, `p95` and `p99` are latencies, in `ms` or `s`. With `x` the limit is so many times the
baseline's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from modelport.core.errors import InvalidInputError
from modelport.core.nearest import did_you_mean
from modelport.release.conducting.figures import QUANTILES

SHARES = ("error_rate", "disagreement")
METRICS = (*SHARES, *QUANTILES)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)(?:\s*(?P<unit>%|(?:ms|s|x)\b)|(?P<odd>[A-Za-z]+))?"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign>>=|>|\(|\)))"
)
_SECONDS = {"ms": 1e-3, "s": 1.0}
_DEEPEST = 20
_EXAMPLE = "error_rate > 1% or p99 > 2x or disagreement > 2%"


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison. `limit` is a share, seconds, or (where `relative`) a multiple of the baseline's."""

    text: str
    metric: str
    limit: float
    relative: bool = False
    or_equal: bool = False

    def holds(self, value: float, limit: float) -> bool:
        """Whether a value is past the limit."""
        return value >= limit if self.or_equal else value > limit


@dataclass(frozen=True, slots=True)
class Joined:
    """Several of which one, or all, must hold."""

    how: Literal["or", "and"]
    parts: tuple[Node, ...]


Node = Term | Joined


def parse_rule(text: str) -> Node | None:
    """The rule; None where the text is empty. Raises InvalidInputError naming the word that does not fit."""
    if not text.strip():
        return None
    reader = _Reader(text)
    node = reader.rule(0)
    if reader.word is not None:
        raise reader.wrong("'and', 'or' or the end")
    return node


def terms_of(node: Node | None) -> Iterator[Term]:
    """Its comparisons, in their order."""
    if isinstance(node, Term):
        yield node
    elif node is not None:
        for part in node.parts:
            yield from terms_of(part)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._end = text, 0, 0
        self.word: str | None = ""
        self._match: re.Match[str] | None = None
        self._next()

    def rule(self, depth: int) -> Node:
        return self._joined("or", depth)

    def wrong(self, wanted: str) -> InvalidInputError:
        found = "its end" if self.word is None else repr(self.word[:60])
        return InvalidInputError(
            f"abort_if {self._text[:200]!r}: {found} where {wanted} should be; such as {_EXAMPLE!r}"
        )

    def _joined(self, how: Literal["or", "and"], depth: int) -> Node:
        parts = [self._part(how, depth)]
        while self.word is not None and self.word.lower() == how:
            self._next()
            parts.append(self._part(how, depth))
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def _part(self, how: str, depth: int) -> Node:
        return self._joined("and", depth) if how == "or" else self._one(depth)

    def _one(self, depth: int) -> Node:
        if self.word != "(":
            return self._comparison()
        if depth >= _DEEPEST:
            raise InvalidInputError(f"abort_if has more than {_DEEPEST} parentheses within each other")
        self._next()
        node = self.rule(depth + 1)
        if self.word != ")":
            raise self.wrong("')'")
        self._next()
        return node

    def _comparison(self) -> Term:
        begun = self._at
        metric = self.word
        if metric not in METRICS:
            guess = did_you_mean(metric, METRICS) if metric else ""
            raise self.wrong(f"one of {', '.join(METRICS)}{guess}")
        self._next()
        sign = self.word
        if sign not in (">", ">="):
            raise self.wrong("'>' or '>='")
        self._next()
        match = self._match
        if match is None or match["number"] is None:
            raise self.wrong("a number")
        limit, relative = self._limit(metric, float(match["number"]), match["unit"] or match["odd"] or "")
        end = self._end
        self._next()
        return Term(self._text[begun:end].strip(), metric, limit, relative, sign == ">=")

    def _limit(self, metric: str, number: float, unit: str) -> tuple[float, bool]:
        if unit == "x" and metric != "disagreement":
            return number, True
        if metric in QUANTILES:
            if unit not in _SECONDS:
                raise self.wrong(f"a latency: {number:g}ms, {number:g}s, or {number:g}x of the baseline's")
            return number * _SECONDS[unit], False
        if unit not in ("", "%"):
            raise self.wrong(f"a percentage, as {number:g}%")
        share = number / 100 if unit == "%" else number
        if share > 1:
            raise self.wrong(f"a share of at most 100% (or did you mean {number:g}%?)")
        return share, False

    def _next(self) -> None:
        match = self._match = _TOKEN.match(self._text, self._end)
        rest = self._text[self._end :]
        if match is not None:
            self.word = match[0].strip()
            self._at, self._end = match.end() - len(self.word), match.end()
        elif rest.strip():
            self.word, self._at = rest.split()[0], self._end
        else:
            self.word = None
