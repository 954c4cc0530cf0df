"""A rollout as lines for the terminal: where it stands, both sides' figures, its rule, what comes next."""

from __future__ import annotations

from collections.abc import Iterator

from modelport.cli.prediction_text import aligned
from modelport.release.conducting.reporting import RolloutReport
from modelport.release.conducting.sides import SideReport

WIDTH = 120


def rollout_text(shown: RolloutReport) -> str:
    """All lines."""
    return "\n".join(_lines(shown))


def _lines(shown: RolloutReport) -> Iterator[str]:
    now, step = shown.rollout, shown.step
    verb = "mirrored to" if now.plan.kind == "shadow" else "to"
    yield (
        f"rollout {now.id} ({now.plan.kind}) of {now.model}@{now.candidate}, begun by {now.created_by}: {now.state}, "
        f"{now.percent:g} % of {now.alias} {verb} it (step {step.number + 1} of {step.of})"
    )
    if now.why:
        yield f"why: {now.why}"
    if now.reason:
        yield f"because: {now.reason}"
    yield ""
    yield from _sides(shown)
    if shown.rule.text:
        yield f"abort if {shown.rule.text}: {shown.rule.standing}"
        yield from (f"  {term.why}" for term in shown.rule.terms)
    if shown.outcomes.test is not None:
        yield f"outcomes: {shown.outcomes.text}"
    if now.open:
        yield f"next: {shown.next}"


def _sides(shown: RolloutReport) -> Iterator[str]:
    sides = (shown.baseline, shown.candidate)
    rows = [["", *(f"{shown.rollout.model}@{side.version}" for side in sides)]]
    rows += [[name, *(_cell(side, name) for side in sides)] for name in ("requests", "errors", "p50", "p99")]
    if shown.candidate.compared:
        told = f"{_share(shown.candidate.disagreement)} of {shown.candidate.compared:,}"
        rows.append(["answers otherwise", "", told])
    if shown.candidate.dropped:
        rows.append(["not mirrored", "", f"{shown.candidate.dropped:,}"])
    yield from aligned(rows, WIDTH)


def _cell(side: SideReport, name: str) -> str:
    match name:
        case "requests":
            return f"{side.requests:,}"
        case "errors":
            return f"{side.errors:,} ({_share(side.error_rate)})" if side.requests else "–"
        case _:
            milliseconds = side.p50_ms if name == "p50" else side.p99_ms
            return "–" if milliseconds is None else f"{milliseconds:.3g} ms"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.3g} %"
