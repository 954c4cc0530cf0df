"""An evaluation of a version of the registry, which is kept there."""

from __future__ import annotations

from contextlib import ExitStack
from typing import cast

from modelport.core.errors import InvalidInputError
from modelport.evaluate.answers import Task
from modelport.evaluate.evaluation import Options
from modelport.evaluate.gates.gate import Gate, references_of
from modelport.evaluate.gates.judging import judge
from modelport.registry.base import Registry
from modelport.registry.records import By
from modelport.registry.releases import Verdict
from modelport.release.promotion.gates import gates_of
from modelport.release.promotion.measuring import Asking, keep, measure
from modelport.release.promotion.versions import loaded_version
from modelport.release.promotion.wish import WHOLE, Evaluated, EvaluationWish, Progress, quiet
from modelport.runtimes.trust import NO_TRUST, Trust


def evaluate_version(
    registry: Registry, wish: EvaluationWish, by: By, progress: Progress = quiet, trust: Trust = NO_TRUST
) -> Evaluated:
    """Measure a version, judge the gates of the wish, and keep all of it.

    Raises InvalidInputError for data that does not fit and for gates that can't be judged, and what loading the
    versions and the registry raise.
    """
    gates = gates_of(wish.gates)
    _check_references(gates, wish)
    with ExitStack() as stack:
        subject = stack.enter_context(loaded_version(registry, registry.version(wish.model, wish.version), trust))
        progress(10, WHOLE, "loaded")
        other = None
        if wish.compare is not None:
            other = stack.enter_context(loaded_version(registry, registry.version(wish.model, wish.compare), trust))
        options = Options(
            task=cast("Task | None", wish.task or None),
            output=wish.output or None,
            batch=wish.batch,
            resamples=wish.resamples,
            seed=wish.seed,
            by=by.who,
            data_digest=wish.data.digest,
        )
        asking = Asking(wish.data, wish.slices, wish.ignored)
        evaluation = measure(registry, subject, other, asking, options, progress)
    verdicts = tuple(Verdict(item.gate, item.passed, item.reason) for item in judge(gates, evaluation))
    kept = keep(registry, evaluation, verdicts, wish.version, wish.data, by)
    progress(WHOLE, WHOLE, "done")
    return Evaluated(kept.id, verdicts)


def _check_references(gates: tuple[Gate, ...], wish: EvaluationWish) -> None:
    wanted = sorted({name for gate in gates for name in references_of(gate)})
    if wanted and wish.compare is None:
        raise InvalidInputError(f"a gate speaks of {wanted[0]!r}: name that version with --compare")
