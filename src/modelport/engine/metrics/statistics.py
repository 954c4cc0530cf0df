"""What Triton's statistics extension tells of a version, from the engine's own counters, over all workers.

Source: Triton "Statistics Extension". Every duration is `{"count": …, "ns": …}`.
"""

from __future__ import annotations

from typing import Any

from modelport.engine.metrics.metrics import STAGES, Metrics

Statistics = dict[str, Any]
_Version = tuple[str, str]
#: Our stages by Triton's words.
_STAGES = {"decode": "compute_input", "queue": "queue", "compute": "compute_infer", "encode": "compute_output"}


def statistics(metrics: Metrics, versions: list[tuple[str, int]]) -> list[Statistics]:
    """The statistics of these versions, in their order; of one that was never asked they are all 0."""
    made = {(model, str(version)): _empty(model, version) for model, version in versions}
    for (kind, name, labels), values in sorted(metrics.collect().items()):
        label = dict(labels)
        entry = made.get((label.get("model", ""), label.get("version", "")))
        if entry is None:
            continue
        if kind == "meter":
            _add_requests(entry, values)
        elif name == "executions":
            _add_executions(entry, int(label["rows"]), values)
        elif name == "executions_failed":
            _add(entry["inference_stats"]["fail"], *values)
        elif name == "cache_requests":
            _add(entry["inference_stats"]["cache_miss" if label["result"] == "miss" else "cache_hit"], values[0], 0)
        elif name == "last_execution":
            entry["last_inference"] = int(values[0] * 1000)
    return list(made.values())


def _empty(model: str, version: int) -> Statistics:
    durations = (
        "success",
        "fail",
        "queue",
        "compute_input",
        "compute_infer",
        "compute_output",
        "cache_hit",
        "cache_miss",
    )
    return {
        "name": model,
        "version": str(version),
        "last_inference": 0,
        "inference_count": 0,
        "execution_count": 0,
        "inference_stats": {name: {"count": 0, "ns": 0} for name in durations},
        "batch_stats": [],
    }


def _add_requests(entry: Statistics, values: list[float]) -> None:
    """A meter's row: requests, rows, nanoseconds in all, then by stage."""
    count, rows, total, *rest = values
    entry["inference_count"] += int(rows)
    stats = entry["inference_stats"]
    _add(stats["success"], count, total)
    for stage, nanoseconds in zip(STAGES, rest, strict=False):
        _add(stats[_STAGES[stage]], count, nanoseconds)


def _add_executions(entry: Statistics, size: int, values: list[float]) -> None:
    entry["execution_count"] += int(values[0])
    if size:
        duration = {"count": int(values[0]), "ns": int(values[1])}
        unknown = {"count": int(values[0]), "ns": 0}
        entry["batch_stats"].append(
            {"batch_size": size, "compute_input": unknown, "compute_infer": duration, "compute_output": unknown}
        )
        entry["batch_stats"].sort(key=_batch_size)


def _batch_size(entry: Statistics) -> int:
    return int(entry["batch_size"])


def _add(duration: dict[str, int], count: float, nanoseconds: float) -> None:
    duration["count"] += int(count)
    duration["ns"] += int(nanoseconds)
