"""The Prometheus text format, version 0.0.4.

Source: Prometheus documentation, "Exposition formats".
"""

from __future__ import annotations

from itertools import accumulate

from modelport.engine.metrics.metrics import BUCKETS, STAGES, Metrics
from modelport.engine.metrics.triton_names import triton_families

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP = {
    "request_errors": "Requests that were refused or failed, by kind of error.",
    "model_loads": "Versions that were loaded, by outcome.",
    "executions": "Predictions that models made; a batch of several requests is one.",
    "executions_failed": "Predictions that failed.",
    "last_execution": "When a model last made a prediction, in Unix seconds.",
    "models_ready": "Versions that are ready, in each worker.",
    "connections": "Open connections.",
    "process_cpu_seconds": "CPU time of the worker processes.",
    "process_resident_memory_bytes": "Resident memory of the worker processes.",
    "workers": "Worker processes.",
    "quarantined": "Inputs that are refused because they were running at two crashes of a worker.",
    "quarantine_refusals": "Requests that were refused because of such an input.",
    "queue_depth": "Requests that wait for a model.",
    "registry_contact": "When the registry that is followed last answered, in Unix seconds.",
    "registry_head": "Number of the registry's last event that was heard of.",
    "registry_away": "Workers that can't reach the registry now.",
    "cache_requests": "Requests to models that have a response cache, by what that knew.",
    "cache_bytes": "Memory of cached responses.",
    "cache_entries": "Cached responses.",
    "request_log": "Requests that were to be logged, by what became of it: written, full (no room to wait), failed.",
}
#: Upper bounds of the histogram of batch sizes, in rows.
_SIZES = tuple(1 << exponent for exponent in range(11))
_METER_HELP = {
    "requests_total": ("counter", "Requests that were answered."),
    "rows_total": ("counter", "Rows of data in answered requests."),
    "stage_seconds": ("histogram", "Time that answered requests spent in each stage."),
    "request_seconds": ("histogram", "Time from a request's last byte to its answer."),
    "batch_rows": ("histogram", "Rows that were computed as one prediction."),
}

Labels = tuple[tuple[str, str], ...]
#: Name → type, help, lines.
Families = dict[str, tuple[str, str, list[str]]]


def exposition(metrics: Metrics, names: str = "modelport") -> str:
    """Every number of the server as text, each family under its HELP and TYPE lines.

    `names` is `modelport`, `triton` for the names that Triton gives the same numbers, or `both`.
    """
    own = "" if names == "triton" else _own(metrics)
    return own if names == "modelport" else own + _triton(metrics)


def _triton(metrics: Metrics) -> str:
    return "".join(
        f"# HELP {name} {text}\n# TYPE {name} {kind}\n" + "".join(_sample(name, *item) for item in samples)
        for name, (kind, text, samples) in triton_families(metrics).items()
    )


def _own(metrics: Metrics) -> str:
    families: Families = {name: (kind, text, []) for name, (kind, text) in _METER_HELP.items()}
    executions: dict[tuple[str, Labels], float] = {}
    batches: dict[Labels, list[tuple[int, float]]] = {}
    for (kind, name, labels), values in sorted(metrics.collect().items()):
        if kind == "meter":
            _meter(families, labels, values)
        elif kind == "series":
            plain = tuple(item for item in labels if item[0] != "rows")
            executions[name, plain] = executions.get((name, plain), 0.0) + values[0]
            if name == "executions":
                batches.setdefault(plain, []).append((int(dict(labels)["rows"]), values[0]))
        else:
            _put(families, "gauge" if kind == "latest" else kind, name, labels, values[0])
    for (name, labels), count in executions.items():
        _put(families, "counter", name, labels, count)
    for labels, sizes in batches.items():
        _batch_rows(families["batch_rows"][2], labels, sizes)
    return "".join(
        f"# HELP modelport_{name} {text}\n# TYPE modelport_{name} {kind}\n{''.join(lines)}"
        for name, (kind, text, lines) in families.items()
    )


def _put(families: Families, kind: str, name: str, labels: Labels, value: float) -> None:
    full = f"{name}_total" if kind == "counter" else name
    _, _, lines = families.setdefault(full, (kind, _HELP.get(name, name), []))
    lines.append(_line(full, labels, value))


def _meter(families: Families, labels: Labels, values: list[float]) -> None:
    count, rows, total_ns, *rest = values
    families["requests_total"][2].append(_line("requests_total", labels, count))
    families["rows_total"][2].append(_line("rows_total", labels, rows))
    sums, counts, width = rest[: len(STAGES)], rest[len(STAGES) :], len(BUCKETS) + 1
    _histogram(families["request_seconds"][2], "request_seconds", labels, counts[:width], total_ns)
    for at, stage in enumerate(STAGES, 1):
        staged = (*labels, ("stage", stage))
        _histogram(
            families["stage_seconds"][2], "stage_seconds", staged, counts[at * width : (at + 1) * width], sums[at - 1]
        )


def _histogram(lines: list[str], name: str, labels: Labels, counts: list[float], nanoseconds: float) -> None:
    buckets = list(accumulate(counts))
    for bound, below in zip((*BUCKETS, "+Inf"), buckets, strict=True):
        lines.append(_line(f"{name}_bucket", (*labels, ("le", str(bound))), below))
    lines.append(_line(f"{name}_sum", labels, nanoseconds / 1e9))
    lines.append(_line(f"{name}_count", labels, buckets[-1]))


def _batch_rows(lines: list[str], labels: Labels, sizes: list[tuple[int, float]]) -> None:
    """Sizes that are counted together, as 0, are those beyond the largest bound."""
    for bound in _SIZES:
        below = sum(count for rows, count in sizes if 0 < rows <= bound)
        lines.append(_line("batch_rows_bucket", (*labels, ("le", str(bound))), below))
    total = sum(count for _, count in sizes)
    lines.append(_line("batch_rows_bucket", (*labels, ("le", "+Inf")), total))
    lines.append(_line("batch_rows_sum", labels, sum(rows * count for rows, count in sizes)))
    lines.append(_line("batch_rows_count", labels, total))


def _line(name: str, labels: Labels, value: float) -> str:
    return _sample(f"modelport_{name}", labels, value)


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    number = str(int(value)) if float(value).is_integer() else _float(value)
    return f"{name}{{{inside}}} {number}\n" if inside else f"{name} {number}\n"


def _float(value: float) -> str:
    return repr(value).replace("inf", "Inf").replace("nan", "NaN")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
