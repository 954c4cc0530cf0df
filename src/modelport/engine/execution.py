"""Running a model on the event loop's own thread, and noticing when it is too dear for that."""

from __future__ import annotations

import logging

from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.batches import predict
from modelport.engine.served import ServedVersion

__all__ = ["judge", "predict", "run_now"]
_log = logging.getLogger("modelport.engine")
#: A prediction this many times over the limit for the event loop is a strike against its model, as many points as said.
_TOO_LONG, _STRIKE = 5, 10
#: So long that it needs no second one, even on a host that takes the CPU away for a tenth of a second.
_FAR_TOO_LONG = 500
#: The points that move a model to threads. Each quick prediction takes one away: a hiccup of the host is forgiven.
_OUT = 25


def run_now(served: ServedVersion, request: InferenceRequest, limit_ms: float) -> InferenceResponse | ModelportError:
    """Predict on this thread. A model that proves dear is moved to threads for its next requests."""
    outcome = predict(served, request)
    served.executions.count(served, request, outcome)
    judge(served, request.finished - request.started, limit_ms)
    return outcome


def judge(served: ServedVersion, nanoseconds: int, limit_ms: float) -> None:
    """What a prediction took says whether its model may stay on the event loop."""
    if nanoseconds > limit_ms * 1e6 * _TOO_LONG:
        _strike(served, nanoseconds / (limit_ms * 1e6))
        served.proven_bytes = 0
    elif served.strikes:
        served.strikes -= 1


def _strike(served: ServedVersion, times_over: float) -> None:
    served.strikes += _OUT if times_over > _FAR_TOO_LONG else _STRIKE
    if served.strikes >= _OUT:
        served.execution = "pool"
        _log.info("%s@%d takes long: it runs in threads from now on", served.model, served.version)
