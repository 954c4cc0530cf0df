"""Judging gates on an evaluation: passed or refused, with the values that decided it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError
from modelport.evaluate.gates.figures import Lookup, UndefinedError
from modelport.evaluate.gates.gate import (
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
from modelport.evaluate.gates.reading import REFERENCES
from modelport.evaluate.results import Evaluation, Measured

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
#: Figures that are this close are the same: 0.9 − 0.005 is not quite 0.895 in binary.
_SAME = 1e-12
_COMPUTE: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one gate. `reason` has the values; `left` and `right` are None where nothing was compared."""

    gate: str
    passed: bool
    reason: str
    left: float | None = None
    right: float | None = None


def judge(
    gates: Iterable[Gate], evaluation: Evaluation, references: Mapping[str, Measured] | None = None
) -> tuple[Verdict, ...]:
    """A verdict for each gate. `references` are other versions by name; without them, the one compared with is it.

    A metric that is undefined on the data refuses. Raises InvalidInputError for a class, slice, metric or version that
    the evaluation does not have: such a gate can't be judged.
    """
    if references is None:
        other = evaluation.comparison.other if evaluation.comparison else None
        references = {} if other is None else dict.fromkeys(REFERENCES, other)
    lookup = Lookup(evaluation, references)
    return tuple(_condition(gate, lookup) if isinstance(gate, Condition) else _rule(gate, lookup) for gate in gates)


def _rule(rule: Rule, lookup: Lookup) -> Verdict:
    try:
        left = _value(rule.left, rule.right, lookup)
        right = _value(rule.right, rule.left, lookup)
    except UndefinedError as error:
        return Verdict(rule.text, False, str(error))
    except ZeroDivisionError:
        return Verdict(rule.text, False, "it divides by zero")
    same = math.isclose(left, right, rel_tol=_SAME, abs_tol=_SAME)
    passed = rule.compare in (">=", "<=", "==") if same else _COMPARE[rule.compare](left, right)
    told = [_told(leaf, rule, lookup) for leaf in (*leaves_of(rule.left), *leaves_of(rule.right))]
    values = ", ".join(text for text in told if text)
    sides = f"{_short(left)} {rule.compare} {_short(right)}" + ("" if passed else " is not so")
    return Verdict(rule.text, passed, f"{values}: {sides}" if values else sides, left, right)


def _condition(condition: Condition, lookup: Lookup) -> Verdict:
    if condition.what == "golden":
        golden = lookup.evaluation.measured.model.golden
        reason = {"ok": "the golden requests gave what they should", "": "no golden requests are stored with the model"}
        return Verdict(condition.text, golden == "ok", reason.get(golden, golden))
    if condition.of is None:
        return Verdict(condition.text, True, "clients have to look at it themselves")
    comparison = lookup.evaluation.comparison
    if comparison is None or condition.of not in lookup.references:
        raise InvalidInputError(f"the gate {condition.text!r} needs another version to compare with")
    broken = comparison.incompatibilities
    return Verdict(condition.text, not broken, "; ".join(broken) or "clients can go on unchanged")


def _value(expression: Expression, other: Expression, lookup: Lookup) -> float:
    match expression:
        case Number(value=value):
            return value
        case MetricRef():
            return lookup.value(expression)
        case Same():
            return lookup.value(_meant(expression, other))
        case Operation(sign=sign, left=left, right=right):
            return _COMPUTE[sign](_value(left, other, lookup), _value(right, other, lookup))


def _meant(same: Same, other: Expression) -> MetricRef:
    """The metric of the other side, without its bounds: a bound is compared with the other version's figure."""
    named = next(leaf for leaf in leaves_of(other) if isinstance(leaf, MetricRef))
    return MetricRef(named.name, named.part, named.quoted, (), named.slice, same.of, same.of, same.at)


def _told(leaf: Number | MetricRef | Same, rule: Rule, lookup: Lookup) -> str:
    """A metric and its value."""
    if isinstance(leaf, Number):
        return ""
    if isinstance(leaf, MetricRef):
        return f"{leaf.text} {_short(lookup.value(leaf))}"
    other = rule.left if leaf in tuple(leaves_of(rule.right)) else rule.right
    return f"{leaf.of} {_short(lookup.value(_meant(leaf, other)))}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
