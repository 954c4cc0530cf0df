"""Message classes by their full names, from `.proto` files of ours."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from modelport.core.errors import InvalidInputError
from modelport.wire.http import Buffer
from modelport.wire.protobuf.proto_text import parse

#: Files that our own may import from protobuf itself.
_WELL_KNOWN = {module.DESCRIPTOR.name: module.DESCRIPTOR for module in (any_pb2, wrappers_pb2)}


class Schema:
    """The messages of some files, in a pool of their own. Classes are made when they are asked for."""

    def __init__(self, descriptors: list[FileDescriptorProto]) -> None:
        self.files = descriptors
        self._pool = DescriptorPool()
        self._classes: dict[str, Any] = {}
        for file in descriptors:
            self._pool.AddSerializedFile(file.SerializeToString())

    def services(self) -> list[str]:
        """The full names of the services."""
        return [f"{file.package}.{service.name}" for file in self.files for service in file.service]

    def message(self, full_name: str) -> Any:
        """The class of a message, `package.Message.Nested`. Raises KeyError for a name that is not there."""
        found = self._classes.get(full_name)
        if found is None:
            found = GetMessageClass(self._pool.FindMessageTypeByName(full_name))
            self._classes[full_name] = found
        return found


def parsed(message_class: Any, data: Buffer) -> Any:
    """The message in `data`. Raises InvalidInputError where the bytes are not one."""
    try:
        return message_class.FromString(data if isinstance(data, bytes) else bytes(data))
    except DecodeError as error:
        raise InvalidInputError(f"the request is not a {message_class.DESCRIPTOR.full_name}: {error}") from None


@cache
def load_schema(*names: str) -> Schema:
    """The schema of files in `wire/protos/`, imported ones before those that import them."""
    folder = files("modelport.wire") / "protos"
    own = [parse(name, (folder / name).read_text(encoding="utf-8")) for name in names]
    imported = {name for file in own for name in file.dependency} & _WELL_KNOWN.keys()
    descriptors = [FileDescriptorProto.FromString(_WELL_KNOWN[name].serialized_pb) for name in sorted(imported)] + own
    kinds = dict(_named_types(descriptors))
    for file in descriptors:
        for message in file.message_type:
            _resolve(message, f"{file.package}.{message.name}" if file.package else message.name, kinds)
        for service in file.service:
            for method in service.method:
                method.input_type = _full_name(method.input_type, file.package, kinds)
                method.output_type = _full_name(method.output_type, file.package, kinds)
    return Schema(descriptors)


def _named_types(descriptors: list[FileDescriptorProto]) -> Iterable[tuple[str, FieldDescriptorProto.Type.ValueType]]:
    for file in descriptors:
        prefix = f"{file.package}." if file.package else ""
        for enum in file.enum_type:
            yield prefix + enum.name, FieldDescriptorProto.TYPE_ENUM
        for message in file.message_type:
            yield from _types_in(message, prefix)


def _types_in(message: DescriptorProto, prefix: str) -> Iterable[tuple[str, FieldDescriptorProto.Type.ValueType]]:
    name = prefix + message.name
    yield name, FieldDescriptorProto.TYPE_MESSAGE
    for enum in message.enum_type:
        yield f"{name}.{enum.name}", FieldDescriptorProto.TYPE_ENUM
    for nested in message.nested_type:
        yield from _types_in(nested, f"{name}.")


def _resolve(message: DescriptorProto, scope: str, kinds: dict[str, FieldDescriptorProto.Type.ValueType]) -> None:
    """Give each field of a named type the type's full name and its kind."""
    for field in message.field:
        if field.type_name:
            field.type_name = _full_name(field.type_name, scope, kinds)
            field.type = kinds[field.type_name[1:]]
    for nested in message.nested_type:
        _resolve(nested, f"{scope}.{nested.name}", kinds)


def _full_name(name: str, scope: str, kinds: dict[str, FieldDescriptorProto.Type.ValueType]) -> str:
    """A type's name as protobuf finds it: in the innermost scope that has it, then further out."""
    name = name.removeprefix(".")
    parts = scope.split(".") if scope else []
    while True:
        candidate = ".".join([*parts, name])
        if candidate in kinds:
            return f".{candidate}"
        if not parts:
            raise KeyError(f"there is no type {name!r} in {scope!r}")
        parts.pop()
