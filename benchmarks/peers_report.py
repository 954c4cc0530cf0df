"""The tables and pictures of `peers.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from report import RESULTS, table, write
from systems import System

from modelport.cli.bench_plot import bars_svg
from modelport.client.load import Outcome

if TYPE_CHECKING:
    from peers import Results

#: Case or number → the picture's file and its unit.
PICTURES = {
    "table row, json, 32 connections": ("peers_json", "requests per second, one core"),
    "table row, grpc, 32 connections": ("peers_grpc", "requests per second, one core"),
    "image 3 × 224 × 224, binary, 8 connections": ("peers_image", "requests per second, one core"),
    "ResNet-18, binary, 8 connections": ("peers_resnet", "requests per second, one core"),
    "seconds from start to the first answer": ("peers_start", "seconds, less is better"),
    "MB of memory with one worker": ("peers_memory", "MB, less is better"),
}


def print_report(cases: list[str], systems: list[System], results: Results) -> None:
    """To the terminal alone."""
    print(_body(cases, systems, results))
    print("\n".join(f"- {note}" for note in [*results.notes, *_doubts(results)]))


def write_report(cases: list[str], systems: list[System], results: Results) -> None:
    """To results/peers.md, with pictures beside it."""
    versions = ", ".join(f"{system.name} {system.version()}" for system in systems)
    write(
        "peers", _body(cases, systems, results), [*_NOTES, f"Versions: {versions}.", *results.notes, *_doubts(results)]
    )
    for name, (file, unit) in PICTURES.items():
        bars = [(system.name, _value(results, system, name)) for system in systems]
        (RESULTS / f"{file}.svg").write_text(bars_svg(name, bars, unit))


_NOTES = [
    "The server on one core, the load (`modelport.client.load`) on another; every answer is compared with the first "
    "one, and that one with ONNX Runtime's own. A dash: the system does not speak it.",
    "Triton has a backend that runs no model: what is measured of it is its front end, the most that it can reach.",
    "Memory is PSS: pages that processes share are counted once.",
]


def _doubts(results: Results) -> list[str]:
    if not results.doubts:
        return ["The load was never the bottleneck, and never had to wait for a core."]
    return [
        f"{len(results.doubts)} figures say more about the load than about the server: {'; '.join(results.doubts)}."
    ]


def _body(cases: list[str], systems: list[System], results: Results) -> str:
    first = systems[0]
    heads = ["", *(system.name for system in systems)]
    rates = [[name, *(_cell(results.cases.get((system.name, name))) for system in systems)] for name in cases]
    found = results.cases
    ratios = [
        [name, *(_ratio(found.get((first.name, name)), found.get((system.name, name))) for system in systems[1:])]
        for name in cases
    ]
    names = list(dict.fromkeys(name for _, name in results.numbers))
    numbers = [[name, *(_number(results.numbers.get((system.name, name))) for system in systems)] for name in names]
    parts = [
        "Requests per second (50th, 99th percentile of the latency in ms):",
        table(heads, rates),
        f"{first.name} ÷ the other, requests per second:",
        table(["", *heads[2:]], ratios),
        "Other figures:",
        table(heads, numbers),
    ]
    return "\n\n".join(parts)


def _value(results: Results, system: System, name: str) -> float | None:
    outcome = results.cases.get((system.name, name))
    return results.numbers.get((system.name, name)) if outcome is None else outcome.throughput


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "–"
    p50, p99 = (outcome.latencies.percentile(percent) * 1e3 for percent in (50, 99))
    return f"{_number(outcome.throughput)} ({p50:.3g}, {p99:.3g})"


def _ratio(ours: Outcome | None, other: Outcome | None) -> str:
    if ours is None or other is None or not other.throughput:
        return "–"
    return f"{ours.throughput / other.throughput:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
