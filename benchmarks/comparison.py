"""Servers compared case by case: cores of their own, rounds in turn, medians and ratios."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable

from load import BenchmarkError, Figures
from report import table

Case = tuple[str, str | int]  # request, connections (and streams)
Results = dict[tuple[str, Case], list[Figures]]  # by server and case, one entry per round


def cores() -> tuple[int, int]:
    """A core for the server and one for the load. Says so where the machine is not at rest."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise BenchmarkError("the benchmark needs two cores: one for the server, one for the load")
    if os.getloadavg()[0] > 0.3:
        print("The machine is doing something else: the figures will be worth little.", file=sys.stderr)
    return found[0], found[1]


def tables(heads: tuple[str, str], cases: list[Case], names: list[str], results: Results) -> str:
    """Two tables as Markdown, by the clock and by processor time; the first of `names` is compared to the others."""
    columns = [*heads, *names, *(f"{names[0]} ÷ {name}" for name in names[1:])]
    by_clock = [_row(case, names, results, "rate") for case in cases]
    by_processor = [_row(case, names, results, "thrift") for case in cases]
    return (
        "Requests per second (50th, 99th percentile of the latency in ms):\n\n"
        f"{table(columns, by_clock)}\n\n"
        "Requests per second of the server's processor time, which counts where a core was shared:\n\n"
        f"{table(columns, by_processor)}"
    )


def latencies(heads: tuple[str, str], cases: list[Case], names: list[str], results: Results) -> str:
    """A table of the median latency's ratio, where lower is better."""
    columns = [*heads, *(f"p50 of {names[0]} ÷ {name}" for name in names[1:])]
    rows = []
    for case in cases:
        ours, *theirs = (results.get((name, case), []) for name in names)
        rows.append([case[0], str(case[1]), *(_ratio(ours, other, "p50") for other in theirs)])
    return table(columns, rows)


def circumstances(rounds: int, seconds: float, results: Results) -> list[str]:
    """Notes on how the figures came to be."""
    others = [figures.others for figures in _all(results)]
    return [
        f"Medians of {rounds} rounds of {seconds:g} s. Ratio: median, lowest and highest of the rounds' ratios.",
        f"Other processes took {statistics.median(others):.0%} of a core meanwhile (highest {max(others):.0%}); "
        "where that is not near 0, the first table is worth little.",
    ]


def _all(results: Results) -> Iterable[Figures]:
    return (figures for rounds in results.values() for figures in rounds)


def _row(case: Case, names: list[str], results: Results, field: str) -> list[str]:
    ours, *theirs = (results.get((name, case), []) for name in names)
    cells = [_cell(rounds, field) for rounds in (ours, *theirs)]
    return [case[0], str(case[1]), *cells, *(_ratio(ours, other, field) for other in theirs)]


def _cell(rounds: list[Figures], field: str) -> str:
    if not rounds:
        return "–"
    value, p50, p99 = (
        statistics.median(getattr(figures, name) for figures in rounds) for name in (field, "p50", "p99")
    )
    return f"{value:,.0f} ({p50:.2f}, {p99:.2f})" if field == "rate" else f"{value:,.0f}"


def _ratio(ours: list[Figures], theirs: list[Figures], field: str) -> str:
    if not theirs:
        return "–"
    ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
