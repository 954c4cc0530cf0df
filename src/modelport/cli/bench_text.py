"""A load's figures as lines for the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.client.load import PERCENTS, Outcome

_WIDTH = 11


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, and what was different about it: its connections or its rate."""

    label: str
    outcome: Outcome


def figures_text(head: str, rows: list[Row], *, first: bool) -> str:
    """A table, with its head where it is the `first` part; then what failed, and what the figures can't say."""
    heads = [head, "requests/s", *(f"p{percent:g} ms" for percent in PERCENTS), "max ms", "failed", "MB/s"]
    lines = [_line(heads)] if first else []
    for row in rows:
        outcome = row.outcome
        times = outcome.latencies.percentiles(PERCENTS).values()
        moved = (outcome.received + outcome.sent) / outcome.seconds / 1e6 if outcome.seconds else 0.0
        cells = [row.label, f"{outcome.throughput:,.1f}" if outcome.throughput < 100 else f"{outcome.throughput:,.0f}"]
        lines.append(_line([*cells, *map(milliseconds, times), f"{outcome.failed:,}", f"{moved:,.1f}"]))
        lines += [
            f"  {count:,} × {kind}: {outcome.samples.get(kind, '')}" for kind, count in outcome.errors.most_common()
        ]
        lines += [f"  Not to be believed: {limit}." for limit in outcome.limits()]
    return "\n".join(lines)


def probe_text(rate: float, outcome: Outcome, kept: bool) -> str:
    """One step of a search."""
    failed = f", {outcome.failed:,} failed" if outcome.failed else ""
    p99 = milliseconds(outcome.latencies.percentile(99))
    limits = "".join(f"\n  Not to be believed: {limit}." for limit in outcome.limits())
    return f"  {rate:>10,.0f} requests/s: p99 {p99} ms{failed}, {'kept' if kept else 'not kept'}{limits}"


def milliseconds(seconds: float) -> str:
    """Three significant digits; a dash for what was not measured."""
    if math.isnan(seconds):
        return "–"
    value = seconds * 1e3
    return (
        f"{value:.3f}"
        if value < 1
        else f"{value:.2f}"
        if value < 10
        else f"{value:,.1f}"
        if value < 100
        else f"{value:,.0f}"
    )


def _line(cells: list[str]) -> str:
    return "  ".join(cell.rjust(_WIDTH) for cell in cells)
