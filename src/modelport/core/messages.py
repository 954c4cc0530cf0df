"""A request for inference and its response: named numpy arrays, and what travels with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.deadline import Deadline

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Filled in by access control; anonymous until then."""

    name: str = "anonymous"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """W3C Trace Context of the request: the `traceparent` and `tracestate` headers as they came."""

    traceparent: str
    tracestate: str = ""


@dataclass(slots=True)
class InferenceRequest:
    """Named arrays for one model. The arrays are not written to; `outputs` None means all of them.

    `priority` 0 is interactive, 1 is bulk, which waits for the others. `cancelled`: nobody waits for the answer.
    `request_id` is what the answer to a gRPC call carries as `x-request-id` (`core/request_id.py`), if anything.
    The last four say when it passed each stage: nanoseconds of `time.perf_counter_ns`, 0 where it has not.
    """

    inputs: dict[str, Array]
    outputs: tuple[str, ...] | None = None
    id: str = ""
    parameters: Parameters | None = None
    caller: Caller | None = None
    deadline: Deadline | None = None
    trace: TraceContext | None = None
    priority: int = 0
    cancelled: bool = False
    request_id: str = ""
    received: int = 0
    decoded: int = 0
    started: int = 0
    finished: int = 0

    def cancel(self) -> None:
        """Nobody waits for the answer any more: what was not begun yet need not be."""
        self.cancelled = True


@dataclass(slots=True)
class InferenceResponse:
    """Named arrays from one version, in the order asked for.

    `cache` says what a response cache had to do with it: `hit`, `miss`, `joined` (to a request that was under way), or
    nothing.
    """

    model: str
    version: int
    outputs: dict[str, Array]
    id: str = ""
    parameters: Parameters | None = None
    cache: str = ""
