"""What an answer's metadata say, and what the request log is told, of calls."""

from __future__ import annotations

from modelport.core.errors import InternalError, ModelportError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.request_id import new_request_id
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ServedVersion
from modelport.server.http.about import about
from modelport.server.http2 import GrpcCall, ReadyTrailers
from modelport.server.http2.grpc_metadata import Metadata
from modelport.wire.remembered import Remembered

_REQUEST_ID, _DIGEST = "x-request-id", "x-model-digest"
#: Versions that are remembered; one more empties the memory.
_known: Remembered[ReadyTrailers] = Remembered(1024)


def request_id_of(served: ServedVersion | None, ticket: Ticket | None) -> str:
    """The id of an answer; empty where its model has neither a rollout nor a request log."""
    if ticket is not None:
        return ticket.id
    return "" if served is None or served.log is None else new_request_id(served.version)


def trailers_of(served: ServedVersion) -> ReadyTrailers:
    """The trailers of an answer without an id: which version gave it."""
    return _known.get((served.version, served.digest), _trailers, served)


def _trailers(served: ServedVersion) -> ReadyTrailers:
    return ReadyTrailers([(name.decode(), value.decode()) for name, value in about(served).fields])


def metadata_of(served: ServedVersion | None, request_id: str) -> Metadata:
    """What the trailing metadata of an answer say: which version gave it, where one was found, and its id if any."""
    found = () if served is None else trailers_of(served).metadata
    return (*found, (_REQUEST_ID, request_id)) if request_id else found


def name_response(served: ServedVersion, request_id: str, response: InferenceResponse) -> None:
    """Let a response of a stream, whose metadata are said once, carry digest and id as parameters."""
    said = {**(response.parameters or {}), _DIGEST: f"sha256:{served.digest}"}
    response.parameters = {**said, _REQUEST_ID: request_id} if request_id else said


def note(
    served: ServedVersion | None,
    request_id: str,
    dialect: str,
    call: GrpcCall,
    request: InferenceRequest | None,
    outcome: InferenceResponse | list[InferenceResponse] | Exception,
) -> None:
    """Tell the log of the version, where it has one, what was asked and answered."""
    if served is None or served.log is None:
        return
    named = call.request.header(_REQUEST_ID.encode())
    if isinstance(outcome, Exception) and not isinstance(outcome, ModelportError):
        outcome = InternalError(f"internal error: {type(outcome).__name__}")
    served.log.note(request_id, dialect, named.decode("latin-1") if named else "", request, outcome)
