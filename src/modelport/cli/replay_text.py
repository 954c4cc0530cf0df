"""Replays as text."""

from __future__ import annotations

from collections.abc import Iterator

from modelport.cli.prediction_text import aligned
from modelport.release.replaying import OutputDifference, Replay, ReplaySummary

WIDTH = 120
_WORDS = {
    "equal": "the same answer",
    "within": "the same answer within the tolerance",
    "different": "another answer",
    "fails": "it was answered, and fails now",
    "answers": "it failed, and is answered now",
    "failed": "it fails as before",
}
_STATES = {"equal": "equal", "within": "within tolerance", "different": "different", "missing": "missing", "new": "new"}


def replay_lines(found: Replay) -> Iterator[str]:
    """One request, then and now."""
    yield f"{found.id}  {found.model}@{found.version} → {found.against}: {_WORDS[found.outcome]}"
    for label, error in (("then", found.error_before), ("now", found.error_now)):
        if error:
            yield f"  {label}: {error}"
    if found.note:
        yield f"  {found.note}"
    if found.outputs:
        rows = [["output", "", "differing", "largest", "relative", "other classes"]]
        yield from (f"  {line}" for line in aligned([*rows, *map(_row, found.outputs)], WIDTH))
    for output in found.outputs:
        if output.first is not None:
            yield f"  {output.name}, first difference: {output.first[0]} → {output.first[1]}"
    yield f"  computed in {_ms(found.ms_before)} then, {_ms(found.ms_now)} now"


def summary_lines(found: ReplaySummary) -> Iterator[str]:
    """Many requests."""
    yield f"{found.requests} requests, asked again of {found.against}"
    rows = [[f"  {_WORDS[outcome]}", str(count)] for outcome, count in sorted(found.outcomes.items())]
    yield from aligned(rows, WIDTH) if rows else ()
    if found.left_out:
        yield f"  not asked again: {len(found.left_out)} ({next(iter(found.left_out.values()))})"
    if found.outputs:
        table = [["output", "requests that differ", "largest", "relative", "other classes"]]
        for item in found.outputs:
            numbers = _number(item.absolute), _number(item.relative)
            table.append([item.name, str(item.differing), *numbers, "" if item.labels is None else str(item.labels)])
        yield from aligned(table, WIDTH)
    yield f"computed in {_ms(found.ms_before)} then, {_ms(found.ms_now)} now (medians)"
    for worst in found.worst:
        yield ""
        yield from replay_lines(worst)


def _row(output: OutputDifference) -> list[str]:
    if output.text:
        return [output.name, output.text, "", "", "", ""]
    wrong = f"{output.differing} of {output.elements}" if output.elements else ""
    labels = "" if output.labels is None else str(output.labels)
    return [output.name, _STATES[output.state], wrong, _number(output.absolute), _number(output.relative), labels]


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def _ms(value: float) -> str:
    return f"{value:.3f} ms" if value else "no time that is known"
