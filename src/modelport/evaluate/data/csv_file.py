"""A CSV file with a header row, read as a stream: its size does not matter."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature
from modelport.evaluate.data.batch import Batch, DataFacts, Roles, label_or_refuse, slice_value
from modelport.evaluate.data.columns import Asked, choose, roles_of
from modelport.wire.csv_tables import CsvTable, csv_from_rows

_SEPARATORS = {".tsv": "\t"}


class CsvFile:
    """The rows of a CSV or TSV file. Without a header row the columns are called 0, 1, 2 …"""

    def __init__(self, path: Path, signature: Signature, asked: Asked) -> None:
        """Reads the first row. Raises InvalidInputError."""
        self._path = path
        self._separator = _SEPARATORS.get(path.suffix.lower(), ",")
        with self._opened() as file:
            first = next(self._rows(file), None)
        if first is None:
            raise InvalidInputError(f"{path.name} is empty")
        head = [cell.strip() for cell in first[1]]
        self._headless = all(map(_is_number, head))
        self.columns = tuple(map(str, range(len(head)))) if self._headless else tuple(head)
        self.roles = roles_of(self.columns, signature, asked)
        self.facts = DataFacts(path.name, "csv", self.roles.label, self.columns)

    def batches(self, rows: int) -> Iterator[Batch]:
        """All rows below the header, a batch at a time."""
        number = 1
        with self._opened() as file:
            lines = self._rows(file)
            if not self._headless:
                next(lines, None)
            while chunk := list(islice(lines, rows)):
                for offset, (line, row) in enumerate(chunk):
                    if len(row) != len(self.columns):
                        raise InvalidInputError(
                            f"{self._path.name}, row {number + offset} (line {line}): it has {len(row)} values, but "
                            f"there are {len(self.columns)} columns"
                        )
                yield self._batch([row for _, row in chunk], number)
                number += len(chunk)

    def _batch(self, rows: list[list[str]], number: int) -> CsvBatch:
        place = self.columns.index(self.roles.label)
        for offset, row in enumerate(rows):
            label_or_refuse(row[place], self.roles, f"{self._path.name}, row {number + offset}")
        return CsvBatch(self.columns, self.roles, rows, number)

    def _opened(self) -> Any:
        try:
            return self._path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise InvalidInputError(f"{self._path} can't be read: {error.strerror}") from None

    def _rows(self, file: Any) -> Iterator[tuple[int, list[str]]]:
        """The line and the cells of each row that is not empty."""
        reader = csv.reader(file, delimiter=self._separator)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidInputError(f"{self._path.name}, line {reader.line_num + 1}: not valid CSV: {error}") from None


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """Rows of text cells; `number` is the first one's, counted from 1 below the header."""

    columns: tuple[str, ...]
    roles: Roles
    rows: list[list[str]]
    number: int

    @property
    def labels(self) -> Sequence[str]:
        place = self.columns.index(self.roles.label)
        return [row[place].strip() for row in self.rows]

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        places = {name: self.columns.index(name) for name in self.roles.slices}
        return {name: [slice_value(row[place]) for row in self.rows] for name, place in places.items()}

    def tensors(self, signature: Signature) -> dict[str, Array]:
        """Numbers, texts and categories as the server reads them out of a CSV body."""
        chosen = choose(self.columns, self.roles, signature)
        places = [self.columns.index(name) for name in chosen.names]
        cells = [[row[place] for place in places] for row in self.rows]
        head = [list(chosen.names)] if chosen.by_name else []
        return CsvTable(csv_from_rows([*head, *cells])).tensors(signature, header=chosen.by_name)

    def part(self, start: int, stop: int) -> CsvBatch:
        return CsvBatch(self.columns, self.roles, self.rows[start:stop], self.number + start)

    def where(self, row: int) -> str:
        return f"row {self.number + row}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
