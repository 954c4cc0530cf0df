"""`/api/v1/requests`: what was logged, and asking it again of a version that is served here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter_ns

from fastapi import APIRouter, Request, Response

from modelport.control.registry import body_as, reply
from modelport.core.datatypes import Array
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceRequest
from modelport.engine.engine import Engine
from modelport.engine.requests import LoggedRequests, Record, Wanted
from modelport.engine.requests.asked import moment_of
from modelport.engine.requests.document import ELEMENTS, request_document, summary_document
from modelport.engine.requests.reading import PAGE
from modelport.engine.served import ServedVersion
from modelport.release.replaying import Answered, Replay, Tolerance, inputs_of, judged
from modelport.release.replaying.loaded import LoadedSubject

#: How long a request is looked for that may still be on its way to the disk, in seconds.
PATIENCE = 0.6
#: Elements of a tensor at most.
_MOST_ELEMENTS = 100_000


@dataclass(frozen=True, slots=True)
class Again:
    """The body of a replay. `against` is a version's number or an alias; None: what answers by default."""

    against: int | str | None = None
    relative: float = 1e-4
    absolute: float = 1e-6


def requests_router(engine: Engine) -> APIRouter:
    """Reading the request log of this machine's servers, and replays."""
    router = APIRouter(prefix="/api/v1/requests", tags=["requests"])
    log = LoggedRequests(engine.requests.root)

    @router.get("", summary="Logged requests, newest first")
    def listed(
        model: str = "", version: int = 0, errors: bool = False, since: str = "", before: str = "", limit: int = 50
    ) -> Response:
        wanted = Wanted(model, version, errors, moment_of(since), moment_of(before))
        found = log.newest(wanted, min(max(limit, 1), PAGE))
        return reply({"requests": [summary_document(record) for record in found]})

    @router.get("/{request_id}", summary="One logged request, with what was asked and answered")
    def one(request_id: str, elements: int = ELEMENTS) -> Response:
        record = log.find(request_id, PATIENCE)
        return reply(request_document(record, min(max(elements, 0), _MOST_ELEMENTS)))

    @router.post("/{request_id}/replay", summary="Ask a logged request again, of a version that is served here")
    async def again(request_id: str, request: Request) -> Response:
        body = await body_as(request, Again)
        tolerance = Tolerance(body.relative, body.absolute)
        record = await asyncio.to_thread(log.find, request_id, PATIENCE)
        return reply(await replayed(engine, record, body.against, tolerance))

    return router


async def replayed(engine: Engine, record: Record, against: int | str | None, tolerance: Tolerance) -> Replay:
    """The request, asked of a version that is ready here. It is neither counted nor logged, and no cache answers it.

    Raises NotFoundError or UnavailableError where that version is not served, InvalidInputError and UnsupportedError
    where the request can't be asked again.
    """
    inputs = inputs_of(record)
    served = engine.find(record.model, against)
    served.inflight += 1  # not to be closed meanwhile
    began = perf_counter_ns()
    try:
        answers = await _answers(engine, served, record, inputs)
        now = Answered(answers, perf_counter_ns() - began)
    except ModelportError as error:
        now = Answered([], perf_counter_ns() - began, error)
    finally:
        served.release()
    return judged(record, f"{served.model}@{served.version}", served.signature, now, tolerance)


async def _answers(
    engine: Engine, served: ServedVersion, record: Record, inputs: dict[str, Array]
) -> list[dict[str, Array]]:
    if not record.signature:
        served.signature.check_inputs(inputs)
    if served.execution == "pipeline":
        asked = None if record.asked is None else tuple(record.asked)
        return [(await engine.infer(served, InferenceRequest(inputs, asked))).outputs]
    subject = LoadedSubject(f"{served.model}@{served.version}", served.loaded, served.signature)
    return await asyncio.to_thread(subject.answers, record, inputs)
