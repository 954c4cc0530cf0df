"""Which layer a request belongs to."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from modelport.server.http2.grpc import GrpcServer
from modelport.server.http2.plain import PlainHandler, PlainStream
from modelport.server.http2.requests import Request
from modelport.server.http2.stream import Stream

if TYPE_CHECKING:
    from modelport.server.http2.connection import Connection

Select = Callable[[Request], PlainHandler]


class Router:
    """The application of a connection: gRPC calls to `grpc`, all else to the plain handler that `plain` selects.

    `plain` is called once for each different header block of a connection, so its choice may depend on the request's
    method, path and headers only. One router serves any number of connections.
    """

    def __init__(self, grpc: GrpcServer, plain: Select) -> None:
        self._grpc = grpc
        self._plain = plain

    def prepare(self, request: Request) -> None:
        """Decide, and keep the decision in `request.route`."""
        if not self._grpc.prepare(request):
            request.route = self._plain(request)

    def open(self, connection: "Connection", stream_id: int, request: Request) -> Stream:
        """A stream of the chosen layer."""
        if self._grpc.owns(request):
            return self._grpc.open(connection, stream_id, request)
        return PlainStream(connection, stream_id, request, request.route)
