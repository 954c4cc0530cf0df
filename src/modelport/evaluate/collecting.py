"""Running models over a data set once, and keeping what they answered: not the rows, so any size of data will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature
from modelport.evaluate.answers import Reading, Task, read_answers, reading_of
from modelport.evaluate.classes import Codes, class_name
from modelport.evaluate.data.batch import Batch, DataSet, fitted_tensors
from modelport.evaluate.metrics.latency import Speed, Stopwatch
from modelport.evaluate.metrics.weights import Floats
from modelport.evaluate.subject import Subject

#: More values than this in a slice column would be a table that nobody reads.
MOST_SLICES = 100


@dataclass
class Truth:
    """The true answers: classes as codes, or numbers; and the slice that each row belongs to, by column."""

    codes: Codes = field(default_factory=Codes)
    numbers: list[Floats] = field(default_factory=list)
    slices: dict[str, Codes] = field(default_factory=dict)
    rows: int = 0

    def take(self, batch: Batch, task: Task, source: str) -> None:
        """Keep a batch's labels and slices. Raises InvalidInputError for a label that is no number in a regression."""
        if task == "classification":
            self.codes.add(class_name(label) for label in batch.labels)
        else:
            self.numbers.append(np.array([_number(batch, row, source) for row in range(len(batch.labels))]))
        for column, values in batch.slices.items():
            codes = self.slices.setdefault(column, Codes())
            codes.add(values)
            if len(codes.names) > MOST_SLICES:
                raise InvalidInputError(
                    f"the column {column!r} has more than {MOST_SLICES} values (such as {codes.names[-1]!r}): "
                    "slice by a column with few"
                )
        self.rows += len(batch.labels)


class Answerer:
    """One model that answers batches: what it said, and how long it took."""

    def __init__(self, subject: Subject, task: Task | None, output: str | None) -> None:
        """Raises UnsupportedError where the model's outputs answer no such task."""
        self.subject = subject
        self.reading: Reading = reading_of(subject.signature, task, output)
        self.names = Codes()
        self._scores: list[Floats] = []
        self._numbers: list[Floats] = []
        self._watch = Stopwatch()
        self._timed = False
        self._called: dict[str, str] = {}

    def take(self, batch: Batch, source: str) -> None:
        """Answer a batch. Raises InvalidInputError naming the row that does not fit, or what the model raised."""
        inputs = fitted_tensors(batch, self.subject.signature, source)
        if not self._timed:
            self._timed = True
            self._time_singles(batch)
        rows = len(batch.labels)
        outputs = self._watch.batch(partial(self.subject.predict, inputs), rows)
        answers = read_answers(outputs, self.reading, rows)
        self.names.add(answers.names)
        if answers.scores is not None:
            self._scores.append(answers.scores)
        if answers.numbers is not None:
            self._numbers.append(answers.numbers)

    @property
    def scores(self) -> Floats | None:
        """[rows, columns] of all batches."""
        return np.concatenate(self._scores) if self._scores else None

    @property
    def numbers(self) -> Floats:
        """A regression's answers."""
        return np.concatenate(self._numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """The classes of the scores' columns, or those that the model knows."""
        width = self._scores[0].shape[1] if self._scores else len(self.reading.classes)
        known = self.reading.classes
        names = known if len(known) == width else tuple(map(str, range(width)))
        return tuple(self._called.get(name, name) for name in names)

    def call(self, names: Mapping[str, str]) -> None:
        """Call classes otherwise, as the model that this one is compared with does."""
        self._called = dict(names)
        self.names.renamed([names.get(name, name) for name in self.names.names])

    @property
    def speed(self) -> Speed:
        """What the stopwatch says."""
        return self._watch.speed()

    def _time_singles(self, batch: Batch) -> None:
        rows = min(len(batch.labels), 32)
        singles = [batch.part(row, row + 1).tensors(self.subject.signature) for row in range(rows)]
        self._watch.singles([partial(self.subject.predict, inputs) for inputs in singles])


def collect(data: DataSet, answerers: Sequence[Answerer], rows: int, progress: Callable[[int], None]) -> Truth:
    """Go through the data once, all models answering each batch; gives what is true. Raises InvalidInputError."""
    truth = Truth()
    task, source = answerers[0].reading.task, data.facts.name
    size = rows if all(takes_batches(item.subject.signature) for item in answerers) else 1
    for batch in data.batches(size):
        truth.take(batch, task, source)
        for answerer in answerers:
            answerer.take(batch, source)
        progress(truth.rows)
    if not truth.rows:
        raise InvalidInputError(f"{source} has no rows")
    return truth


def takes_batches(signature: Signature) -> bool:
    """Whether a request may have several rows: every first axis that is read or given is free."""
    tensors = (*signature.inputs, *signature.outputs)
    return signature.rowwise and all(spec.shape is None or spec.shape[:1] == (-1,) for spec in tensors)


def _number(batch: Batch, row: int, source: str) -> float:
    try:
        return float(batch.labels[row])
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"{source}, {batch.where(row)}: the label {batch.labels[row]!r} is no number, but the model's answers are"
        ) from None
