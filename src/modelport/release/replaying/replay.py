"""One logged request on another version, or on the same one again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Literal, Protocol

from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError, UnsupportedError
from modelport.core.signature import Signature
from modelport.engine.requests import Record
from modelport.release.replaying.comparing import OutputDifference, Tolerance, compared

#: What became of a request: the first three of one that was and is answered; `fails` was answered and is not any more,
#: `answers` the other way round, `failed` was not answered and still is not.
Outcome = Literal["equal", "within", "different", "fails", "answers", "failed"]
_WORST = ("equal", "within", "new", "missing", "different", "shape")


class Subject(Protocol):
    """What is asked again."""

    @property
    def name(self) -> str:
        """What it is, for people: `fraud@5`."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""

    def answers(self, record: Record, inputs: dict[str, Array]) -> list[dict[str, Array]]:
        """The responses to a request; several from a model that streams. Raises ModelportError."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a version says to a request now, and how long it took, in nanoseconds."""

    answers: list[dict[str, Array]]
    took: int
    error: ModelportError | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """A request, then and now. Times are in milliseconds of computing; `ms_before` 0 where it was not computed."""

    id: str
    model: str
    version: int
    against: str
    outcome: Outcome
    outputs: list[OutputDifference]
    ms_before: float = 0.0
    ms_now: float = 0.0
    error_before: str = ""
    error_now: str = ""
    note: str = ""

    @property
    def alike(self) -> bool:
        """Whether nobody would notice."""
        return self.outcome in ("equal", "within", "failed")


def inputs_of(record: Record) -> dict[str, Array]:
    """The inputs to be run again. Raises InvalidInputError or UnsupportedError where they can't be."""
    if record.stateful:
        raise UnsupportedError(
            f"request {record.id} can't be run again: {record.model!r} keeps a state, so that its answer came of the "
            "requests before it"
        )
    return record.arrays()


def replay(record: Record, subject: Subject, tolerance: Tolerance) -> Replay:
    """Ask again and compare. Raises InvalidInputError or UnsupportedError where it can't be asked."""
    inputs = inputs_of(record)
    began = perf_counter_ns()
    try:
        if not record.signature:
            subject.signature.check_inputs(inputs)
        answered = Answered(subject.answers(record, inputs), perf_counter_ns() - began)
    except ModelportError as error:
        answered = Answered([], perf_counter_ns() - began, error)
    return judged(record, subject.name, subject.signature, answered, tolerance)


def judged(record: Record, name: str, signature: Signature, now: Answered, tolerance: Tolerance) -> Replay:
    """What differs between what was answered and what is answered `now`."""
    outcome: Outcome
    outputs: list[OutputDifference] = []
    note = ""
    if record.kind or now.error is not None:
        outcome = "failed" if record.kind and now.error is not None else "answers" if record.kind else "fails"
    else:
        before = record.outputs()
        outputs = _differences(before, now.answers, signature, record, tolerance)
        outcome = _outcome(outputs)
        if len(before) != len(now.answers):
            outcome, note = "different", f"{len(before)} responses → {len(now.answers)}"
    return Replay(
        record.id,
        record.model,
        record.version,
        name,
        outcome,
        outputs,
        record.compute / 1e6,
        now.took / 1e6,
        f"{record.kind}: {record.text}" if record.kind else "",
        "" if now.error is None else f"{now.error.kind}: {now.error}",
        note,
    )


def _outcome(outputs: Sequence[OutputDifference]) -> Outcome:
    states = {output.state for output in outputs if output.state != "new"}  # who does not know it does not miss it
    if states <= {"equal"}:
        return "equal"
    return "within" if states <= {"equal", "within"} else "different"


def _differences(
    before: list[dict[str, Array]],
    now: list[dict[str, Array]],
    signature: Signature,
    record: Record,
    tolerance: Tolerance,
) -> list[OutputDifference]:
    """The outputs by name, each with its worst difference over all responses."""
    specs = {spec.name: spec for spec in signature.outputs}
    worst: dict[str, OutputDifference] = {}
    for then, later in zip(before, now, strict=False):
        names = [*then, *(name for name in later if name not in then and name not in record.hidden_outputs)]
        for name in names:
            found = compared(name, then.get(name), later.get(name), specs.get(name), tolerance)
            if name not in worst or _rank(found) > _rank(worst[name]):
                worst[name] = found
    return list(worst.values())


def _rank(found: OutputDifference) -> tuple[int, float]:
    return _WORST.index(found.state), math.inf if found.absolute is None else found.absolute
