"""Server reflection, v1 and v1alpha: so that grpcurl and other tools can call without a .proto file.

Source: grpc/doc "GRPC Server Reflection Protocol".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from modelport.server.http2 import GrpcError, StatusCode, Streaming, StreamingCall
from modelport.server.http2.grpc import Method
from modelport.wire.protobuf import Schema, load_schema, parsed

VERSIONS = ("v1", "v1alpha")


def reflection_methods(schemas: Iterable[Schema]) -> dict[bytes, Method]:
    """The methods of both versions, telling of the services in `schemas` and of reflection itself."""
    own = [load_schema(f"reflection_{version}.proto") for version in VERSIONS]
    files = Files([*schemas, *own])
    return {
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo".encode(): _method(version, schema, files)
        for version, schema in zip(VERSIONS, own, strict=True)
    }


class Files:
    """All file descriptors, by their names and by the symbols that they define."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self.by_name: dict[str, FileDescriptorProto] = {}
        self.by_symbol: dict[str, FileDescriptorProto] = {}
        schemas = list(schemas)
        self.services = [name for schema in schemas for name in schema.services()]
        for file in (file for schema in schemas for file in schema.files):
            self.by_name[file.name] = file
            for symbol in _symbols(file):
                self.by_symbol[symbol] = file

    def with_imports(self, file: FileDescriptorProto) -> list[bytes]:
        """A file and, behind it, all that it imports, each once."""
        found = {file.name: file}
        todo = [file]
        while todo:
            for name in todo.pop().dependency:
                if name not in found and name in self.by_name:
                    found[name] = self.by_name[name]
                    todo.append(self.by_name[name])
        return [item.SerializeToString() for item in found.values()]


def _method(version: str, schema: Schema, files: Files) -> Method:
    request_class = schema.message(f"grpc.reflection.{version}.ServerReflectionRequest")
    response_class = schema.message(f"grpc.reflection.{version}.ServerReflectionResponse")

    async def answer(call: StreamingCall) -> None:
        async for message in call:
            request = parsed(request_class, message)
            response = response_class(valid_host=request.host, original_request=request)
            try:
                _fill(response, request, files)
            except GrpcError as error:
                response.error_response.error_code = int(error.code)
                response.error_response.error_message = error.text
            await call.send_async(response.SerializeToString())

    return Streaming(answer)


def _fill(response: Any, request: Any, files: Files) -> None:
    kind = request.WhichOneof("message_request")
    if kind == "list_services":
        for name in sorted(set(files.services)):
            response.list_services_response.service.add(name=name)
    elif kind == "file_by_filename":
        file = _found(files.by_name, request.file_by_filename, "file")
        response.file_descriptor_response.file_descriptor_proto.extend(files.with_imports(file))
    elif kind == "file_containing_symbol":
        file = _found(files.by_symbol, request.file_containing_symbol.removeprefix("."), "symbol")
        response.file_descriptor_response.file_descriptor_proto.extend(files.with_imports(file))
    elif kind == "all_extension_numbers_of_type":
        name = request.all_extension_numbers_of_type
        _found(files.by_symbol, name.removeprefix("."), "type")
        response.all_extension_numbers_response.base_type_name = name
    elif kind == "file_containing_extension":
        raise GrpcError(StatusCode.NOT_FOUND, "there are no extensions")
    else:
        raise GrpcError(StatusCode.INVALID_ARGUMENT, "the request asks for nothing")


def _found(where: dict[str, FileDescriptorProto], name: str, what: str) -> FileDescriptorProto:
    if name not in where:
        raise GrpcError(StatusCode.NOT_FOUND, f"there is no {what} {name!r}")
    return where[name]


def _symbols(file: FileDescriptorProto) -> Iterable[str]:
    prefix = f"{file.package}." if file.package else ""
    for message in file.message_type:
        yield from _message_symbols(message, prefix)
    for enum in file.enum_type:
        yield prefix + enum.name
    for service in file.service:
        yield prefix + service.name
        for method in service.method:
            yield f"{prefix}{service.name}.{method.name}"


def _message_symbols(message: DescriptorProto, prefix: str) -> Iterable[str]:
    name = prefix + message.name
    yield name
    for field in message.field:
        yield f"{name}.{field.name}"
    for enum in message.enum_type:
        yield f"{name}.{enum.name}"
    for nested in message.nested_type:
        yield from _message_symbols(nested, f"{name}.")
