"""What a labelled data set is: batches of rows, each with its label, its slices, and the tensors of any signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature

#: What stands for a missing value in a label or slice column of text.
MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A"))


class Batch(Protocol):
    """Some rows, in order. `slices` has one value per row for each column that is sliced by."""

    @property
    def labels(self) -> Sequence[Any]:
        """The true answer of each row, as the data set has it; never missing."""

    @property
    def slices(self) -> Mapping[str, Sequence[str]]:
        """Column → value of each row."""

    def tensors(self, signature: Signature) -> dict[str, Array]:
        """The model's inputs. Raises InvalidInputError for what does not fit."""

    def part(self, start: int, stop: int) -> Batch:
        """Those rows by themselves."""

    def where(self, row: int) -> str:
        """What people call that row: `row 17`, or a file's name."""


class DataSet(Protocol):
    """Labelled rows that can be gone through, as often as is wanted."""

    @property
    def facts(self) -> DataFacts:
        """What it is."""

    def batches(self, rows: int) -> Iterator[Batch]:
        """All of it, at most so many rows at a time. Raises InvalidInputError naming the row that can't be read."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A data set's name and form; `label` is the column that has the truth, `columns` are all of them."""

    name: str
    form: str
    label: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns are not (only) the model's: the label, those that rows are grouped by, those that are left out."""

    label: str
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class ColumnsError(InvalidInputError):
    """The columns of a data set do not fit the model: no row is at fault."""


def fitted_tensors(batch: Batch, signature: Signature, source: str) -> dict[str, Array]:
    """The tensors of a batch. Raises InvalidInputError that names the first row that does not fit."""
    try:
        return batch.tensors(signature)
    except ColumnsError as error:
        raise ColumnsError(f"{source}: {error}") from None
    except InvalidInputError as error:
        whole = error
    for row in range(len(batch.labels)):
        try:
            batch.part(row, row + 1).tensors(signature)
        except InvalidInputError as error:
            raise InvalidInputError(f"{source}, {batch.where(row)}: {error}") from None
    raise InvalidInputError(f"{source}: {whole}")


def label_or_refuse(value: Any, roles: Roles, where: str) -> Any:
    """The label, or InvalidInputError where a row has none."""
    if value is None or value != value or (isinstance(value, str) and value.strip() in MISSING):  # noqa: PLR0124 - NaN
        raise InvalidInputError(f"{where} has no value in the label column {roles.label!r}")
    if isinstance(value, list | dict):
        raise InvalidInputError(f"{where}: the label column {roles.label!r} takes a text or a number, not a list")
    return value


def slice_value(value: Any) -> str:
    """The name of the slice that a row with that value belongs to."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "(missing)"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).strip()
    return "(missing)" if text in MISSING else text
