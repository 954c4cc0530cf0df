"""What a promotion or a rollback would do, told before it is done."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from modelport.core.errors import InvalidInputError
from modelport.core.references import parse_version
from modelport.core.signature import Signature
from modelport.evaluate.compatibility import incompatibilities
from modelport.evaluate.gates.gate import Condition, Gate, references_of
from modelport.evaluate.results import Evaluation, evaluation_from_json
from modelport.registry.base import LARGEST_PAGE, Registry
from modelport.registry.releases import PRODUCTION, EvaluationRecord, GateRules, RolloutRecord
from modelport.release.promotion.gates import Case, gates_of, needs_data, verdict, with_built_in
from modelport.web.catalog import ModelView
from modelport.web.registry.models import signature_of
from modelport.web.registry.overview import open_ones
from modelport.web.registry.visit import View, Visit


@dataclass(frozen=True, slots=True)
class GateState:
    """How a gate stands now: by a stored evaluation (`passed`, `why`), or not known before it runs (None)."""

    gate: str
    passed: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Look:
    """The version that is to be promoted and the one that the alias names, with their signatures where known."""

    model: str
    version: int
    baseline: int | None
    before: Signature | None
    after: Signature | None


def promotion(visit: Visit) -> View:
    """The page that asks how `version` is to be promoted, and says what that does."""
    registry, name = visit.registry, visit.path["name"]
    if not visit.asked("version"):
        raise InvalidInputError("say which version is to be promoted: ?version=3")
    alias = visit.asked("alias") or PRODUCTION
    model = registry.model(name)
    version = registry.version(name, parse_version(visit.asked("version")))
    before = model.aliases.get(alias)
    after = signature_of(version)
    present = None if before is None else signature_of(registry.version(name, before))
    gates = registry.gates(name)
    look = Look(name, version.number, before, present, after)
    return View(
        "registry/promote.html",
        {
            "model": model,
            "version": version,
            "alias": alias,
            "before": before,
            "broken": incompatibilities(present, after) if present and after else None,
            "open": _open(registry, name, alias),
            "gates": gates,
            "states": gate_states(registry, look, gates),
            "server": server_words(visit.served.get(name), alias),
            "production": PRODUCTION,
        },
    )


def rollback(visit: Visit) -> View:
    """The page that says to what a rollback leads, and asks why."""
    registry, name = visit.registry, visit.path["name"]
    alias = visit.asked("alias") or PRODUCTION
    model = registry.model(name)
    before = model.aliases.get(alias)
    rollout = _open(registry, name, alias)
    return View(
        "registry/rollback.html",
        {
            "model": model,
            "alias": alias,
            "before": before,
            "open": rollout,
            "after": before if rollout else version_before(registry, name, alias),
            "server": server_words(visit.served.get(name), alias),
            "production": PRODUCTION,
        },
    )


def version_before(registry: Registry, name: str, alias: str) -> int | None:
    """What the alias named before; None where it named nothing, or is none that the servers keep warm."""
    if alias != PRODUCTION:
        return None
    found = (model.warm for model in registry.desired().models if model.name == name)
    return next((warm[0] for warm in found if warm), None)


def gate_states(registry: Registry, look: Look, rules: GateRules | None) -> list[GateState]:
    """How each gate would stand, as far as that is known without running the version: by its newest evaluation."""
    found = newest_on(registry, look.model, look.version, rules.data) if rules is not None else None
    evaluation = None if found is None else _evaluation(found)
    golden = evaluation.measured.model.golden if evaluation else ""
    baseline = "" if look.baseline is None else f"{look.model}@{look.baseline}"
    case = Case(look.after, golden, baseline=baseline, before=look.before, evaluation=evaluation)
    texts = rules.rules if rules is not None else ()
    return [_state(gate, case, look.baseline) for gate in with_built_in(gates_of(texts), golden)]


def newest_on(registry: Registry, name: str, version: int, data: str) -> EvaluationRecord | None:
    """The newest evaluation of a version on some data, with its document; None without such data."""
    if not data:
        return None
    found = registry.evaluations(name, version, LARGEST_PAGE)
    record = next((item for item in found if item.dataset_digest == data), None)
    return None if record is None else registry.evaluation(record.id)


def _evaluation(record: EvaluationRecord) -> Evaluation | None:
    """The evaluation; None for a document of another kind, which anybody may store."""
    try:
        return evaluation_from_json(msgspec.json.encode(record.document))
    except InvalidInputError:
        return None


def _state(gate: Gate, case: Case, baseline: int | None) -> GateState:
    evaluation = case.evaluation
    if evaluation is None and (needs_data(gate) or (isinstance(gate, Condition) and gate.what == "golden")):
        return GateState(gate.text, None, "this version was not measured for it yet")
    compared = evaluation.comparison.other.model.version if evaluation and evaluation.comparison else ""
    if needs_data(gate) and references_of(gate) and baseline is not None and compared != str(baseline):
        beside = f"beside version {compared}" if compared else "alone"
        return GateState(gate.text, None, f"it was last measured {beside}, and not beside version {baseline}")
    said = verdict(gate, case)
    return GateState(gate.text, said.passed, said.why)


def server_words(served: ModelView | None, alias: str) -> str:
    """What this server does with the model at present."""
    if served is None:
        return "This server does not serve the model now."
    if served.default is None:
        return f"This server has no version of it ready: it is {served.state}."
    number = served.default.version
    return f"This server answers with version {number} now where a request names none."


def _open(registry: Registry, name: str, alias: str) -> RolloutRecord | None:
    found = open_ones(registry.rollouts(name, LARGEST_PAGE))
    return next((item for item in found if item.alias == alias), None)
