"""Which gates hold for a promotion, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature
from modelport.evaluate.compatibility import incompatibilities
from modelport.evaluate.gates.gate import Condition, Gate, MetricRef, leaves_of, references_of
from modelport.evaluate.gates.judging import judge
from modelport.evaluate.gates.reading import read_gate
from modelport.evaluate.results import Evaluation
from modelport.registry.releases import Verdict

#: Holds where no gate of the model speaks of the signature.
SIGNATURE = "signature compatible with production"
#: Holds where requests are stored with the version.
GOLDEN = "golden == ok"


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known when gates are judged.

    `signature` is the candidate's, `golden` what came of its stored requests, `unloaded` why it could not be loaded.
    `baseline` is what `production` means (empty: the alias names nothing yet), `before` its signature. `evaluation` is
    there where one could be made; else `unmeasured` says why not, and `uncompared` why the baseline is not in it.
    """

    signature: Signature | None
    golden: str = ""
    unloaded: str = ""
    baseline: str = ""
    before: Signature | None = None
    evaluation: Evaluation | None = None
    unmeasured: str = ""
    uncompared: str = ""


def gates_of(texts: Iterable[str]) -> tuple[Gate, ...]:
    """The gates, each once. Raises InvalidInputError for one that can't be read."""
    return tuple(read_gate(text) for text in dict.fromkeys(text.strip() for text in texts))


def with_built_in(gates: tuple[Gate, ...], golden: str) -> tuple[Gate, ...]:
    """The gates, and those that hold without being named: the signature's, and that of golden requests."""
    named = {gate.what for gate in gates if isinstance(gate, Condition)}
    more = [read_gate(GOLDEN)] if golden and "golden" not in named else []
    if "signature" not in named:
        more.append(read_gate(SIGNATURE))
    return (*gates, *more)


def needs_data(gate: Gate) -> bool:
    """Whether a gate can only be judged on labelled data."""
    return not isinstance(gate, Condition)


def slices_of(gates: Iterable[Gate]) -> tuple[str, ...]:
    """The columns whose slices gates speak of."""
    rules = [gate for gate in gates if not isinstance(gate, Condition)]
    leaves = [leaf for rule in rules for leaf in (*leaves_of(rule.left), *leaves_of(rule.right))]
    named = [leaf.slice[0] for leaf in leaves if isinstance(leaf, MetricRef) and leaf.slice is not None]
    return tuple(dict.fromkeys(named))


def verdict(gate: Gate, case: Case) -> Verdict:
    """What a gate says. One that can't be judged refuses, and says why."""
    compares = bool(references_of(gate)) or _speaks_of_other(gate)
    if compares and not case.baseline:
        return Verdict(gate.text, True, "there is no version yet to compare with")
    if isinstance(gate, Condition):
        return _golden(gate, case) if gate.what == "golden" else _signature(gate, case)
    if case.evaluation is None:
        return Verdict(gate.text, False, case.unmeasured)
    if compares and case.evaluation.comparison is None:
        return Verdict(gate.text, False, case.uncompared)
    try:
        said = judge([gate], case.evaluation)[0]
    except InvalidInputError as error:
        return Verdict(gate.text, False, f"it can't be judged: {error}")
    return Verdict(gate.text, said.passed, said.reason)


def _golden(gate: Condition, case: Case) -> Verdict:
    if case.unloaded:
        return Verdict(gate.text, False, f"the golden requests were not asked: {case.unloaded}")
    reasons = {"ok": "the golden requests gave what they should", "": "no golden requests are stored with the version"}
    return Verdict(gate.text, case.golden == "ok", reasons.get(case.golden, case.golden))


def _signature(gate: Condition, case: Case) -> Verdict:
    if gate.of is None:
        return Verdict(gate.text, True, "clients have to look at it themselves")
    for name, known in ((case.baseline, case.before), ("the version", case.signature)):
        if known is None:
            return Verdict(gate.text, False, f"the signature of {name} is not known")
    assert case.before is not None
    assert case.signature is not None
    broken = incompatibilities(case.before, case.signature)
    return Verdict(gate.text, not broken, "; ".join(broken) or f"clients of {case.baseline} can go on unchanged")


def _speaks_of_other(gate: Gate) -> bool:
    """Disagreements and differences have another version in them without naming it."""
    if isinstance(gate, Condition):
        return False
    leaves = [leaf for leaf in (*leaves_of(gate.left), *leaves_of(gate.right)) if isinstance(leaf, MetricRef)]
    return any(leaf.name == "disagreement" or "difference" in leaf.bounds for leaf in leaves)
