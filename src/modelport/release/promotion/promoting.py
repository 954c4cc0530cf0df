"""A promotion from beginning to end: look at the version, judge its gates, then move the alias or begin the rollout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from modelport.core.errors import ConflictError, InvalidInputError, ModelportError
from modelport.core.signature import Signature
from modelport.evaluate.evaluation import Options
from modelport.evaluate.gates.gate import Gate
from modelport.evaluate.results import Evaluation
from modelport.evaluate.subject import Subject
from modelport.registry.base import Registry
from modelport.registry.plans import check_plan
from modelport.registry.records import By, VersionRecord
from modelport.registry.references import check_alias
from modelport.registry.releases import RolloutPlan, Verdict
from modelport.release.conducting.rules import parse_rule
from modelport.release.promotion.gates import Case, gates_of, slices_of, verdict, with_built_in
from modelport.release.promotion.measuring import Asking, keep, measure
from modelport.release.promotion.versions import Baseline, known_signature, loaded_version
from modelport.release.promotion.wish import WHOLE, DataRef, Progress, Promoted, RefusedError, Wish, quiet
from modelport.runtimes.trust import NO_TRUST, Trust

#: What is said of a version that can't be loaded, as if a gate had looked at it.
LOADS = "the version can be loaded"
#: Where fetching the version ends on the whole way, and where fetching the other one.
_FETCHED, _OTHER_FETCHED = 10, 20


def promote(registry: Registry, wish: Wish, by: By, progress: Progress = quiet, trust: Trust = NO_TRUST) -> Promoted:
    """Let an alias name a version, or begin the rollout that does, if all gates let it pass.

    The version is loaded, asked its golden requests, and where there is labelled data, measured beside the one that the
    alias names; the evaluation is kept, also of a version that is refused. Raises RefusedError naming each gate that
    refuses with its figures (not where the wish is `force`), ConflictError where the alias changes meanwhile, what
    loading the version raises, and what the registry raises.
    """
    model, record = registry.model(wish.model), registry.version(wish.model, wish.version)
    before = model.aliases.get(check_alias(wish.alias))
    if before == record.number:
        return Promoted(wish.model, record.number, wish.alias, before, already=True)
    _check_rollout(registry, wish, before)
    baseline = None if before is None else _baseline(registry, wish.model, before)
    look = _Look(registry, wish, by, progress, trust, record, baseline)
    verdicts = look.judged()
    refused = [item for item in verdicts if not item.passed]
    if refused and not wish.force:
        raise RefusedError(_refusal(wish, refused, verdicts), verdicts)
    forced = bool(refused)
    made = Promoted(wish.model, record.number, wish.alias, before, verdicts, forced, look.evaluation_id)
    progress(WHOLE - 5, WHOLE, "changing the registry")
    if wish.rollout is None:
        registry.promote(wish.model, record.number, by, wish.alias, before or 0, verdicts, forced)
    else:
        plan = _plan(wish, wish.rollout)
        made = replace(made, rollout=registry.start_rollout(wish.model, plan, _with_gates(by, refused)))
    progress(WHOLE, WHOLE, "done")
    return made


@dataclass
class _Look:
    """One version as the gates see it."""

    registry: Registry
    wish: Wish
    by: By
    progress: Progress
    trust: Trust
    record: VersionRecord
    baseline: Baseline | None
    evaluation_id: int | None = None
    _gates: tuple[Gate, ...] = field(init=False)
    _data: DataRef | None = field(init=False)

    def __post_init__(self) -> None:
        rules = self.registry.gates(self.wish.model)
        self._gates = gates_of((*(rules.rules if rules else ()), *self.wish.gates))
        stored = DataRef(rules.data, rules.data_name, rules.label) if rules is not None and rules.data else None
        self._data = self.wish.data or stored

    def judged(self) -> tuple[Verdict, ...]:
        """Load, measure, and judge every gate; the evaluation is kept."""
        with ExitStack() as stack:
            case, evaluation = self._case(stack)
        gates = with_built_in(self._gates, case.golden)
        verdicts = tuple(verdict(gate, case) for gate in gates)
        if case.unloaded:
            verdicts = (Verdict(LOADS, False, case.unloaded), *verdicts)
        if evaluation is not None and self._data is not None:
            self.evaluation_id = keep(self.registry, evaluation, verdicts, self.record.number, self._data, self.by).id
        return verdicts

    def _case(self, stack: ExitStack) -> tuple[Case, Evaluation | None]:
        case = Case(known_signature(self.record), unmeasured=_NO_DATA.format(model=self.wish.model))
        if self.baseline is not None:
            case = replace(case, baseline=self.baseline.name, before=self.baseline.signature)
        try:
            subject = self._loaded(stack, self.record, 0, _FETCHED)
        except ModelportError as error:
            if not self.wish.force:
                raise
            why = f"{self.record.model}@{self.record.number} can't be loaded: {error}"
            return replace(case, unloaded=str(error), unmeasured=why), None
        case = replace(case, signature=subject.signature, golden=subject.golden)
        other, uncompared = self._other(stack, case)
        if other is not None:
            case = replace(case, before=other.signature)
        if self._data is None:
            return case, None
        evaluation, unmeasured, why = self._measured(subject, other, self._data)
        return replace(case, evaluation=evaluation, unmeasured=unmeasured, uncompared=uncompared or why), evaluation

    def _other(self, stack: ExitStack, case: Case) -> tuple[Subject | None, str]:
        """What the alias names, loaded where it is needed; else why not."""
        if self.baseline is None or (self._data is None and case.before is not None):
            return None, ""
        try:
            return self._loaded(stack, self.baseline.record, _FETCHED, _OTHER_FETCHED), ""
        except ModelportError as error:
            return None, f"{self.baseline.name} can't be loaded: {error}"

    def _measured(self, subject: Subject, other: Subject | None, data: DataRef) -> tuple[Evaluation | None, str, str]:
        """The evaluation, else why there is none; and why the other version is not in it."""
        try:
            return self._evaluation(subject, other, data), "", ""
        except ModelportError as error:
            if other is None:
                return None, _unmeasured(subject, error), ""
            why = _unmeasured(other, error)
        try:
            return self._evaluation(subject, None, data), "", why
        except ModelportError as error:
            return None, _unmeasured(subject, error), ""

    def _evaluation(self, subject: Subject, other: Subject | None, data: DataRef) -> Evaluation:
        asking = Asking(data, slices_of(self._gates))
        options = Options(by=self.by.who, data_digest=data.digest)
        return measure(self.registry, subject, other, asking, options, self.progress)

    def _loaded(self, stack: ExitStack, record: VersionRecord, begin: int, end: int) -> Subject:
        told = _fetching(self.progress, record, begin, end)
        return stack.enter_context(loaded_version(self.registry, record, self.trust, told))


_NO_DATA = "no labelled data is stored for it: modelport gate {model} --data FILE"


def _baseline(registry: Registry, name: str, number: int) -> Baseline:
    record = registry.version(name, number)
    signature: Signature | None = known_signature(record)
    return Baseline(record, signature)


def _check_rollout(registry: Registry, wish: Wish, before: int | None) -> None:
    """Say before the work that no rollout can begin."""
    if wish.rollout is None:
        return
    check_plan(_plan(wish, wish.rollout))
    parse_rule(wish.rollout.abort_if)
    if before is None:
        raise InvalidInputError(
            f"{wish.alias} of {wish.model} names no version yet, so there is no traffic to split: promote without a "
            "rollout first"
        )
    going_on = [item for item in registry.rollouts(wish.model) if item.open and item.alias == wish.alias]
    if going_on:
        raise ConflictError(
            f"a rollout of {wish.model}@{going_on[0].candidate} is under way for {wish.alias}: "
            f"modelport rollout {wish.model} --abort ends it"
        )


def _plan(wish: Wish, plan: RolloutPlan) -> RolloutPlan:
    return replace(plan, candidate=wish.version, alias=wish.alias)


def _refusal(wish: Wish, refused: list[Verdict], verdicts: tuple[Verdict, ...]) -> str:
    told = "".join(f"\n  {item.gate}: {item.why}" for item in refused)
    return f"{wish.model}@{wish.version} is not promoted: {len(refused)} of {len(verdicts)} gates refused{told}"


def _with_gates(by: By, refused: list[Verdict]) -> By:
    """A rollout's event has no verdicts of its own: where it was forced, its reason says which gates refused."""
    if not refused:
        return by
    told = ", ".join(item.gate for item in refused)
    return By(by.who, f"{by.why} (forced, although these gates refused: {told})".strip())


def _unmeasured(subject: Subject, error: ModelportError) -> str:
    return f"{subject.name}@{subject.version} could not be measured: {error}"


def _fetching(progress: Progress, record: VersionRecord, begin: int, end: int) -> Callable[[int], None]:
    came, whole = 0, max(record.size, 1)

    def told(more: int) -> None:
        nonlocal came
        came += more
        place = begin + round((end - begin) * min(came / whole, 1.0))
        progress(place, WHOLE, f"fetching {record.model}@{record.number}")

    return told
