"""Rows as records: JSON lines read as a stream, JSON lists, and Parquet by row groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.signature import Signature
from modelport.evaluate.data.batch import Batch, DataFacts, Roles, label_or_refuse, slice_value
from modelport.evaluate.data.columns import Asked, choose, roles_of
from modelport.wire.dataframes import tensors_from_rows
from modelport.wire.json_tensors import loads
from modelport.wire.records import tensors_from_document

Record = dict[str, Any]


class RecordsFile:
    """A file of records: `.jsonl` or `.ndjson` (one object in each line), `.json` (a list of them), `.parquet`."""

    def __init__(self, path: Path, signature: Signature, asked: Asked) -> None:
        """Reads the first record. Raises InvalidInputError; MissingExtraError for Parquet without pyarrow."""
        self._path = path
        suffix = path.suffix.lower()
        self._read = _READERS.get(suffix, _json_lines)
        columns = _parquet_columns(path) if suffix == ".parquet" else list(next(self._read(path), {}))
        if not columns:
            raise InvalidInputError(f"{path.name} is empty")
        self.roles = roles_of(columns, signature, asked)
        self.facts = DataFacts(path.name, _FORMS.get(suffix, "jsonl"), self.roles.label, tuple(columns))

    def batches(self, rows: int) -> Iterator[Batch]:
        """All records, a batch at a time."""
        number, records = 1, self._read(self._path)
        while chunk := list(islice(records, rows)):
            for offset, record in enumerate(chunk):
                where = f"{self._path.name}, row {number + offset}"
                label_or_refuse(record.get(self.roles.label), self.roles, where)
            yield RecordBatch(self.facts.columns, self.roles, chunk, number)
            number += len(chunk)


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records; `number` is the first one's, counted from 1. `columns` are those of the file's first record."""

    columns: tuple[str, ...]
    roles: Roles
    records: list[Record]
    number: int

    @property
    def labels(self) -> Sequence[Any]:
        return [record[self.roles.label] for record in self.records]

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        return {name: [slice_value(record.get(name)) for record in self.records] for name in self.roles.slices}

    def tensors(self, signature: Signature) -> dict[str, Array]:
        """As the server reads records; null and columns that a record lacks are missing values."""
        chosen = choose(self.columns, self.roles, signature)
        if chosen.by_name:
            columns = dict.fromkeys((*self.columns, *(name for record in self.records for name in record)))
            chosen = choose(tuple(columns), self.roles, signature)  # a record may name more than the first one
            kept = [{name: record[name] for name in chosen.names if name in record} for record in self.records]
            return tensors_from_document(kept, signature)
        odd = next((record for record in self.records if record.keys() != set(self.columns)), None)
        if odd is not None:
            unlike = ", ".join(sorted(odd.keys() ^ set(self.columns)))
            raise InvalidInputError(f"it has other names than the first row ({unlike}), and the model knows no names")
        rows = [[record.get(name) for name in chosen.names] for record in self.records]
        return tensors_from_rows(None, rows, signature)

    def part(self, start: int, stop: int) -> RecordBatch:
        return RecordBatch(self.columns, self.roles, self.records[start:stop], self.number + start)

    def where(self, row: int) -> str:
        return f"row {self.number + row}"


def _json_lines(path: Path) -> Iterator[Record]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _record(line, f"{path.name}, line {number}")
    except OSError as error:
        raise InvalidInputError(f"{path} can't be read: {error.strerror}") from None


def _record(line: bytes, where: str) -> Record:
    try:
        record = loads(line)
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {str(error).removeprefix('the body is ')}") from None
    if not isinstance(record, dict):
        raise InvalidInputError(f'{where}: it is not an object such as {{"amount": 10, "label": 1}}')
    return record


def _json_list(path: Path) -> Iterator[Record]:
    try:
        document = loads(path.read_bytes())
    except OSError as error:
        raise InvalidInputError(f"{path} can't be read: {error.strerror}") from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{path.name}: {str(error).removeprefix('the body is ')}") from None
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise InvalidInputError(f"{path.name} is not a list of records")
    yield from document


def _parquet(path: Path) -> Iterator[Record]:
    opened = _parquet_file(path)
    try:
        for batch in opened.iter_batches(batch_size=1024):
            yield from batch.to_pylist()
    finally:
        opened.close()


def _parquet_columns(path: Path) -> list[str]:
    opened = _parquet_file(path)
    names: list[str] = list(opened.schema_arrow.names)
    opened.close()
    return names


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("reading Parquet takes pyarrow: pip install 'modelport[parquet]'") from None
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise InvalidInputError(f"{path.name} can't be read as Parquet: {error}") from None


_READERS = {".json": _json_list, ".parquet": _parquet}
_FORMS = {".json": "json", ".parquet": "parquet"}
