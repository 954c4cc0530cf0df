"""What a PMML document says of its fields, read by a parser that follows no reference, before an evaluator sees it.

XML lets a document define entities: some that grow a thousandfold when they are used, some that are other files. PMML
needs none, so a document type declaration is refused altogether. Source of the elements: "PMML 4.4", General Structure,
Data Dictionary and Mining Schema.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from modelport.core.errors import InvalidModelError

_DEEPEST = 400
#: Elements that hold one learned number each, or are a tree or a node of one.
LEARNED = frozenset(
    {"TreeModel", "Node", "NumericPredictor", "CategoricalPredictor", "PredictorTerm", "RegressionTable"}
    | {"PCell", "Con", "Neuron", "Coefficient", "SupportVector"}
)
_ENCODINGS = {"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin-1"}
_DECLARED = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")


@dataclass(slots=True)
class DataField:
    """A field of the data dictionary: `kind` is its data type, `values` the valid ones where they are listed."""

    name: str
    operation: str = ""
    kind: str = ""
    description: str = ""
    values: list[str] = field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None


@dataclass(slots=True)
class PmmlFile:
    """The head of a document. `text` is the whole, as text; `treatments` are the mining fields' attributes by name;
    `counts` say how often elements stand in it that have a part of what was learned.
    """

    text: str
    version: str = ""
    producer: str = ""
    description: str = ""
    model: str = ""
    fields: dict[str, DataField] = field(default_factory=dict)
    treatments: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def read_pmml(path: Path) -> PmmlFile:
    """The document at `path`. Raises InvalidModelError saying what is wrong with it, and in which line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    if not content.strip():
        raise InvalidModelError(f"{path.name} is empty, not a PMML document")
    reader = _Reader(path.name)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        what = "is a PMML document that is cut short or damaged" if reader.root else "is not an XML document"
        raise InvalidModelError(f"{path.name} {what}: {error}") from None
    except (LookupError, ValueError) as error:
        raise InvalidModelError(f"{path.name} has an encoding that can't be read ({error}): save it as UTF-8") from None
    if not reader.file.model:
        raise InvalidModelError(f"{path.name} is a PMML document without a model in it")
    reader.file.text = _DECLARED.sub("", _decoded(content, reader.encoding, path.name))
    return reader.file


def _decoded(content: bytes, encoding: str, name: str) -> str:
    """The text that the parser saw: the evaluator must not see another."""
    if encoding not in _ENCODINGS:
        raise InvalidModelError(f"{name} has the encoding {encoding!r}: save it as UTF-8")
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if marked else encoding)


class _Reader:
    """Collects what is wanted while expat goes through the document."""

    def __init__(self, name: str) -> None:
        self.file = PmmlFile("")
        self.root = ""
        self.encoding = "utf-8"
        self._name = name
        self._path: list[str] = []
        self._field: DataField | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.XmlDeclHandler = self._declared
        self.parser.StartDoctypeDeclHandler = self._refused
        self.parser.EntityDeclHandler = self._refused
        self.parser.ExternalEntityRefHandler = self._refused
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.encoding = (encoding or "utf-8").lower()

    def _refused(self, *_arguments: Any) -> int:
        raise InvalidModelError(
            f"{self._name} has a document type declaration (line {self.parser.CurrentLineNumber}), which could name "
            "entities that grow or that are other files; PMML needs none: remove it"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if not self._path:
            self._begin(name, attributes)
        self._path.append(name)
        if name in LEARNED:
            self.file.counts[name] += 1
        if len(self._path) > _DEEPEST:
            raise InvalidModelError(f"{self._name} has elements that are nested more than {_DEEPEST} deep")
        match self._path[1:]:
            case ["Header"]:
                self.file.description = attributes.get("description", "")
            case ["Header", "Application"]:
                self.file.producer = " ".join(filter(None, (attributes.get("name"), attributes.get("version"))))
            case ["DataDictionary", "DataField"]:
                self._data_field(attributes)
            case ["DataDictionary", "DataField", part]:
                self._part(part, attributes)
            case [model]:
                self._model(model)
            case [_, "MiningSchema", "MiningField"]:
                self.file.treatments.setdefault(attributes.get("name", ""), attributes)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if name != "PMML":
            raise InvalidModelError(f"{self._name} is an XML document, but not PMML: its root is {name[:100]!r}")
        self.root = name
        self.file.version = attributes.get("version", "")

    def _model(self, name: str) -> None:
        if name.endswith(("Model", "Network")) and not self.file.model:
            self.file.model = name

    def _data_field(self, attributes: dict[str, str]) -> None:
        name = attributes.get("name", "")
        self._field = self.file.fields[name] = DataField(
            name, attributes.get("optype", ""), attributes.get("dataType", ""), attributes.get("displayName", "")
        )

    def _part(self, part: str, attributes: dict[str, str]) -> None:
        assert self._field is not None
        if part == "Value" and attributes.get("property", "valid") == "valid":
            self._field.values.append(attributes.get("value", ""))
        elif part == "Interval":
            self._field.minimum = _number(attributes.get("leftMargin"))
            self._field.maximum = _number(attributes.get("rightMargin"))

    def _end(self, _tag: str) -> None:
        self._path.pop()


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
