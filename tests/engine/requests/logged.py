"""Records for the tests of the request log."""

from __future__ import annotations

import numpy as np

from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.request_id import new_request_id
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.requests import LoggingOptions, Record, RequestLogs
from modelport.engine.requests.record import tensors

ROW = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)


def record(number: int = 0, model: str = "iris", version: int = 1, kind: str = "", at: int = 0) -> Record:
    """A request with its number in its input."""
    inputs = {"X": np.full((1, 4), number, np.float32)}
    answers = [] if kind else [tensors({"y": np.array([number], np.int64)}, {})]
    return Record(
        new_request_id(version), "", at or number + 1, model, version, "d" * 64, "plain", tensors(inputs, {}), None,
        answers, kind,
    )  # fmt: skip


def log_of(logs: RequestLogs, signature, model: str = "iris", version: int = 1, stateful: bool = False, **options):
    """A version's log with the options of `[logging]`."""
    chosen = LoggingOptions(**{"requests": True, **options})
    return logs.of_version(model, version, "d" * 64, signature, chosen, stateful=stateful)


def logs_in(folder, setting: str = "") -> tuple[RequestLogs, Metrics]:
    """The logs of this process, in a folder."""
    metrics = Metrics()
    return RequestLogs(folder, setting, metrics), metrics


def note(log, inputs=None, outcome=None, client_id: str = "") -> str:
    """Note one answered request; gives its id."""
    request = InferenceRequest(inputs or {"X": ROW}, None, "", received=1, decoded=2, started=3, finished=4)
    made = new_request_id(log.empty.version)
    outputs = {"y": np.array([1.5], np.float32)}
    log.note(made, "plain", client_id, request, outcome or InferenceResponse("iris", 1, outputs))
    return made


def counted(metrics: Metrics, model: str = "iris") -> dict[str, float]:
    """What the metrics say of a model's log: result → count."""
    found = {}
    for (_, name, labels), values in metrics.collect().items():
        said = dict(labels)
        if name == "request_log" and said["model"] == model:
            found[said["result"]] = values[0]
    return found
