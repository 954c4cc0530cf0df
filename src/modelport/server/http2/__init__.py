"""A server-side HTTP/2 connection (RFC 9113) with a gRPC call layer on top; it knows nothing of inference.

`Http2Protocol` is what an event loop's transport talks to. It gives requests whose content type is gRPC's to a
`GrpcServer`, which looks the method up by path, and every other request to a plain HTTP handler, for instance
`AsgiHandler`. Everything runs on the event loop's thread; nothing here is thread-safe.
"""

from modelport.server.http2.asgi import AsgiHandler
from modelport.server.http2.grpc import GrpcServer, Methods, Streaming, Unary
from modelport.server.http2.grpc_calls import GrpcCall
from modelport.server.http2.grpc_status import GrpcError, StatusCode
from modelport.server.http2.grpc_streaming import StreamingCall, StreamingHandler
from modelport.server.http2.grpc_unary import ReadyTrailers, UnaryCall
from modelport.server.http2.limits import Limits
from modelport.server.http2.plain import PlainHandler, PlainStream
from modelport.server.http2.protocol import Http2Protocol
from modelport.server.http2.requests import Request
from modelport.server.http2.routing import Router

__all__ = [
    "AsgiHandler",
    "GrpcCall",
    "GrpcError",
    "GrpcServer",
    "Http2Protocol",
    "Limits",
    "Methods",
    "PlainHandler",
    "PlainStream",
    "ReadyTrailers",
    "Request",
    "Router",
    "StatusCode",
    "Streaming",
    "StreamingCall",
    "StreamingHandler",
    "Unary",
    "UnaryCall",
]
