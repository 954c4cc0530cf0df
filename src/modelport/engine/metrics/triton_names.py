"""The same numbers under the names that Triton gives them, for dashboards and autoscalers that know those.

Source: Triton "Metrics" (`nv_inference_*`, `nv_cache_*`). Durations are microseconds, added up.
"""

from __future__ import annotations

from modelport.engine.metrics.metrics import STAGES, Metrics

_HELP = {
    "nv_inference_request_success": ("counter", "Number of successful inference requests"),
    "nv_inference_request_failure": ("counter", "Number of failed inference requests"),
    "nv_inference_count": ("counter", "Number of inferences performed: rows of data"),
    "nv_inference_exec_count": ("counter", "Number of model executions performed: batches"),
    "nv_inference_pending_request_count": ("gauge", "Number of requests that wait for execution"),
    "nv_inference_request_duration_us": ("counter", "Cumulative request duration in microseconds"),
    "nv_inference_queue_duration_us": ("counter", "Cumulative queuing duration in microseconds"),
    "nv_inference_compute_input_duration_us": ("counter", "Cumulative duration of reading inputs in microseconds"),
    "nv_inference_compute_infer_duration_us": ("counter", "Cumulative duration of execution in microseconds"),
    "nv_inference_compute_output_duration_us": ("counter", "Cumulative duration of writing outputs in microseconds"),
    "nv_cache_num_hits_per_model": ("counter", "Number of cache hits"),
    "nv_cache_num_misses_per_model": ("counter", "Number of cache misses"),
}
_STAGES = {"decode": "compute_input", "queue": "queue", "compute": "compute_infer", "encode": "compute_output"}
_Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def triton_families(metrics: Metrics) -> dict[str, tuple[str, str, list[tuple[tuple[tuple[str, str], ...], float]]]]:
    """Name → type, help, (labels, value) of all of them."""
    numbers: _Numbers = {}
    for (kind, name, labels), values in sorted(metrics.collect().items()):
        label = dict(labels)
        where = tuple((key, label[key]) for key in ("model", "version") if key in label)
        if kind == "meter":
            _meter(numbers, where, values)
        elif name == "executions":
            _add(numbers, "nv_inference_exec_count", where, values[0])
        elif name == "request_errors":
            _add(numbers, "nv_inference_request_failure", (*where, ("reason", label["kind"])), values[0])
        elif name == "queue_depth":
            _add(numbers, "nv_inference_pending_request_count", where, values[0])
        elif name == "cache_requests":
            word = "misses" if label["result"] == "miss" else "hits"
            _add(numbers, f"nv_cache_num_{word}_per_model", where, values[0])
    return {
        name: (kind, text, [(labels, value) for (key, labels), value in sorted(numbers.items()) if key == name])
        for name, (kind, text) in _HELP.items()
    }


def _meter(numbers: _Numbers, where: tuple[tuple[str, str], ...], values: list[float]) -> None:
    count, rows, total, *rest = values
    _add(numbers, "nv_inference_request_success", where, count)
    _add(numbers, "nv_inference_count", where, rows)
    _add(numbers, "nv_inference_request_duration_us", where, total // 1000)
    for stage, nanoseconds in zip(STAGES, rest, strict=False):
        _add(numbers, f"nv_inference_{_STAGES[stage]}_duration_us", where, nanoseconds // 1000)


def _add(numbers: _Numbers, name: str, labels: tuple[tuple[str, str], ...], value: float) -> None:
    numbers[name, labels] = numbers.get((name, labels), 0.0) + value
