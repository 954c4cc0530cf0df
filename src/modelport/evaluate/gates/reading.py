"""Reading a gate: `accuracy >= production - 0.005`.

    gate     = "golden" ["=="] "ok" | "signature" ["=="] ("compatible" ["with" REFERENCE] | "any") | sum COMPARE sum
    sum      = product {("+" | "-") product}
    product  = value {("*" | "/") value}
    value    = NUMBER ["%"] | "-" value | "(" sum ")" | REFERENCE | [REFERENCE "."] metric
    metric   = ["slice[COLUMN=VALUE]."] NAME ["." CLASS] {"." ("low" | "high" | "difference")}
    COMPARE  = ">=" | "<=" | "==" | "!=" | ">" | "<"

Names with other characters than letters, digits and _ stand in quotes. A REFERENCE by itself is the metric that the
other side names, as the other version has it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from modelport.core.nearest import did_you_mean
from modelport.evaluate.gates.gate import (
    METRICS,
    Bound,
    Compare,
    Condition,
    Expression,
    Gate,
    MetricRef,
    Number,
    Operation,
    Rule,
    Same,
    leaves_of,
)
from modelport.evaluate.gates.tokens import GateError, Token, tokens_of

#: What the version that is compared with is called where nobody says otherwise.
REFERENCES = ("production", "other")
_BOUNDS = frozenset(("low", "high", "difference"))
#: Metrics that have parts of their own: classes, averages, percentiles.
_WITH_PARTS = frozenset(("precision", "recall", "f1", "roc_auc", "residual"))
#: Parentheses and signs within each other: more are a mistake.
_DEEPEST = 20


def read_gate(text: str, references: Collection[str] = REFERENCES) -> Gate:
    """The gate in `text`; `references` are the names that other versions may have in it.

    Raises GateError (an InvalidInputError) saying where and what is wrong, with the nearest right name.
    """
    return _Reader(text, frozenset(references)).gate()


class _Reader:
    """One pass over the tokens of one gate."""

    def __init__(self, text: str, references: frozenset[str]) -> None:
        self._text = text.strip()
        self._references = references
        self._tokens = tokens_of(self._text)
        self._at = 0
        self._depth = 0

    def gate(self) -> Gate:
        first = self._token
        if first.kind == "end":
            raise self._error("a gate is empty; write for example accuracy >= 0.9")
        if first.text in ("golden", "signature") and first.kind == "name":
            return self._condition()
        left = self._sum()
        if self._token.kind != "sign" or self._token.text not in (">=", "<=", "==", "!=", ">", "<"):
            raise self._error("here one of >= <= == != > < is needed")
        compare = cast("Compare", self._take().text)
        right = self._sum()
        self._ended()
        self._check_same(left, right)
        self._check_same(right, left)
        return Rule(self._text, left, compare, right)

    def _condition(self) -> Condition:
        what = self._take().text
        if self._token.text == "==":
            self._take()
        words = ("ok",) if what == "golden" else ("compatible", "any")
        if self._token.text not in words:
            raise self._error(f"{what!r} is followed by == {' or '.join(words)}")
        of = self._with() if self._take().text == "compatible" else None
        self._ended()
        return Condition(self._text, "golden" if what == "golden" else "signature", of)

    def _with(self) -> str:
        """The version that `with` names; otherwise the usual one."""
        if self._token.text != "with":
            return next((name for name in REFERENCES if name in self._references), "production")
        self._take()
        if self._token.text not in self._references:
            raise self._error(f"no version is called {self._token.text!r}{self._near(self._token.text)}")
        return self._take().text

    def _sum(self) -> Expression:
        made = self._product()
        while self._token.kind == "sign" and self._token.text in ("+", "-"):
            sign = self._take().text
            made = Operation("+" if sign == "+" else "-", made, self._product())
        return made

    def _product(self) -> Expression:
        made = self._value()
        while self._token.kind == "sign" and self._token.text in ("*", "/"):
            sign = self._take().text
            made = Operation("*" if sign == "*" else "/", made, self._value())
        return made

    def _value(self) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("too many parentheses or signs within each other")
        token = self._token
        if token.kind == "number":
            made: Expression = self._number()
        elif token.text == "-" and token.kind == "sign":
            self._take()
            made = Operation("-", Number(0.0, "0"), self._value())
        elif token.text == "(" and token.kind == "sign":
            self._take()
            made = self._sum()
            self._expect(")")
        elif token.kind == "name":
            made = self._named()
        else:
            raise self._error("here a metric or a number is needed")
        self._depth -= 1
        return made

    def _number(self) -> Number:
        text = self._take().text
        if self._token.text == "%" and self._token.kind == "sign":
            self._take()
            return Number(float(text) / 100, f"{text}%")
        return Number(float(text), text)

    def _named(self) -> Expression:
        start = self._token
        of = None
        if start.text in self._references:
            of = self._take().text
            if self._token.text != ".":
                return Same(of, start.at)
            self._take()
        chosen = self._slice() if self._token.text == "slice" else None
        name = self._token
        if name.kind != "name" or name.text not in METRICS:
            told = name.text or "nothing"
            raise self._error(f"there is no metric {told!r}{self._near(told)}; the metrics are {', '.join(METRICS)}")
        self._take()
        part, quoted, bounds = self._parts(name.text)
        text = self._text[start.at : self._token.at].strip()
        return MetricRef(name.text, part, quoted, bounds, chosen, of, text, start.at)

    def _slice(self) -> tuple[str, str]:
        self._take()
        inner = self._token
        column, equals, value = inner.text.partition("=")
        if inner.kind != "slice" or not equals or not column.strip() or not value.strip("= "):
            raise self._error("a slice is written slice[COLUMN=VALUE].METRIC")
        self._take()
        self._expect(".")
        return _bare(column), _bare(value.removeprefix("="))

    def _parts(self, name: str) -> tuple[str | None, bool, tuple[Bound, ...]]:
        """What follows a metric's name: perhaps a class, then perhaps bounds."""
        part, quoted = None, False
        bounds: list[Bound] = []
        while self._token.text == "." and self._token.kind == "sign":
            self._take()
            token = self._token
            if token.kind == "name" and token.text in _BOUNDS:
                bounds.append(cast("Bound", token.text))
            elif token.kind in ("name", "text") and part is None and not bounds:
                if name not in _WITH_PARTS:
                    raise self._error(
                        f"{name} has no part {token.text!r}{did_you_mean(token.text, _BOUNDS)}; it has .low, .high and "
                        ".difference"
                    )
                part, quoted = token.text, token.kind == "text"
            else:
                raise self._error("behind the dot a class, low, high or difference is needed")
            self._take()
        if tuple(bounds) not in _ALLOWED:
            raise self._error("the bounds are .low, .high, .difference, .difference.low and .difference.high")
        if part == "macro" and not quoted:
            part = None
        return part, quoted, tuple(bounds)

    def _check_same(self, side: Expression, other: Expression) -> None:
        """A reference by itself needs exactly one metric on the other side."""
        same = next((leaf for leaf in leaves_of(side) if isinstance(leaf, Same)), None)
        if same is None:
            return
        named = [leaf for leaf in leaves_of(other) if isinstance(leaf, MetricRef)]
        if len(named) != 1 or named[0].name == "disagreement":
            why = f"{same.of!r} by itself means the other side's metric, so one metric must be there"
            raise GateError(self._text, same.at, f"{why}; or write {same.of}.accuracy")

    def _expect(self, sign: str) -> None:
        if self._token.text != sign or self._token.kind != "sign":
            raise self._error(f"here {sign!r} is needed")
        self._take()

    def _ended(self) -> None:
        if self._token.kind != "end":
            hint = "; give several gates instead" if self._token.text in ("and", "or") else ""
            raise self._error(f"the gate should end before {self._token.text!r}{hint}")

    def _near(self, name: str) -> str:
        return did_you_mean(name, (*METRICS, *self._references, "golden", "signature", "slice"))

    def _error(self, why: str) -> GateError:
        return GateError(self._text, self._token.at, why)

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token


_ALLOWED: tuple[tuple[Bound, ...], ...] = (
    (),
    ("low",),
    ("high",),
    ("difference",),
    ("difference", "low"),
    ("difference", "high"),
)


def _bare(text: str) -> str:
    """A name without its quotes."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
