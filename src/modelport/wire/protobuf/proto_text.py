"""The part of the protobuf language that the field's service definitions use, read into file descriptors.

Understood: `syntax`, `package`, `import`, messages, nested ones, enums, `repeated`, `map`, `oneof`, services with
streams, comments. Options, extensions, groups and proto2's defaults are not: our own files do without them.
Source: Protocol Buffers "Language Guide (proto 3)" and descriptor.proto.
"""

from __future__ import annotations

import re

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

_TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|("[^"]*"|[\w.]+|[{}=;<>,()\[\]])', re.S)
_SCALARS = {
    name.removeprefix("TYPE_").lower(): number
    for name, number in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}


class ProtoSyntaxError(ValueError):
    """The text is not in the part of the language that is understood."""


def parse(name: str, text: str) -> FileDescriptorProto:
    """The descriptor of one file. Raises ProtoSyntaxError saying where. Named types are resolved by the pool."""
    return _Parser(name, text).file()


class _Parser:
    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._tokens = [match[1] for match in _TOKEN.finditer(text) if match[1]]
        self._at = 0

    def file(self) -> FileDescriptorProto:
        file = FileDescriptorProto(name=self._name)
        while self._at < len(self._tokens):
            word = self._next()
            if word == "syntax":
                self._expect("=")
                file.syntax = self._next().strip('"')
                self._expect(";")
            elif word == "package":
                file.package = self._next()
                self._expect(";")
            elif word == "import":
                file.dependency.append(self._next().strip('"'))
                self._expect(";")
            elif word == "message":
                self._message(file.message_type.add())
            elif word == "enum":
                self._enum(file.enum_type.add())
            elif word == "service":
                self._service(file.service.add())
            else:
                raise self._wrong(word)
        return file

    def _message(self, message: DescriptorProto) -> None:
        message.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                self._oneof(message)
            elif word == "map":
                self._map(message)
            else:
                self._field(message, word)

    def _field(self, message: DescriptorProto, word: str) -> FieldDescriptorProto:
        field = message.field.add(label=FieldDescriptorProto.LABEL_OPTIONAL)
        if word == "repeated":
            field.label = FieldDescriptorProto.LABEL_REPEATED
            word = self._next()
        self._typed(field, word)
        field.name = self._next()
        self._expect("=")
        field.number = int(self._next())
        self._expect(";")
        return field

    def _oneof(self, message: DescriptorProto) -> None:
        message.oneof_decl.add(name=self._next())
        index = len(message.oneof_decl) - 1
        self._expect("{")
        while (word := self._next()) != "}":
            self._field(message, word).oneof_index = index

    def _map(self, message: DescriptorProto) -> None:
        """A map is a repeated message of its own, called as protoc calls it."""
        self._expect("<")
        key, _, value, _ = (self._next() for _ in range(4))
        field = message.field.add(label=FieldDescriptorProto.LABEL_REPEATED, name=self._next())
        self._expect("=")
        field.number = int(self._next())
        self._expect(";")
        entry = message.nested_type.add(name="".join(part.capitalize() for part in field.name.split("_")) + "Entry")
        entry.options.map_entry = True
        for name, number, kind in (("key", 1, key), ("value", 2, value)):
            item = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            self._typed(item, kind)
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = entry.name

    def _typed(self, field: FieldDescriptorProto, word: str) -> None:
        """A scalar's type, or the name of a message or enum: which of the two, the pool finds out."""
        if word in _SCALARS:
            field.type = _SCALARS[word]
        else:
            field.type_name = word

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            self._expect("=")
            enum.value.add(name=word, number=int(self._next()))
            self._expect(";")

    def _service(self, service: ServiceDescriptorProto) -> None:
        service.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word != "rpc":
                raise self._wrong(word)
            method = service.method.add(name=self._next())
            method.input_type, method.client_streaming = self._streamed()
            self._expect("returns")
            method.output_type, method.server_streaming = self._streamed()
            self._expect(";")

    def _streamed(self) -> tuple[str, bool]:
        self._expect("(")
        word = self._next()
        streaming = word == "stream"
        name = self._next() if streaming else word
        self._expect(")")
        return name, streaming

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise ProtoSyntaxError(f"{self._name}: the text ends too soon")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, wanted: str) -> None:
        word = self._next()
        if word != wanted:
            raise self._wrong(word, f"; {wanted!r} should stand there")

    def _wrong(self, word: str, more: str = "") -> ProtoSyntaxError:
        before = " ".join(self._tokens[max(self._at - 6, 0) : self._at])
        return ProtoSyntaxError(f"{self._name}: unexpected {word!r} at the end of {before!r}{more}")
