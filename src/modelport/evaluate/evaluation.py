"""An evaluation from beginning to end: run, measure, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from modelport.core.description import signature_to_dict
from modelport.core.errors import InvalidInputError
from modelport.evaluate.answers import Task
from modelport.evaluate.classes import Codes, match, order, spread, translate
from modelport.evaluate.collecting import Answerer, Truth, collect
from modelport.evaluate.compatibility import incompatibilities
from modelport.evaluate.data.batch import DataSet
from modelport.evaluate.details import details_of
from modelport.evaluate.metrics.classification import Classification
from modelport.evaluate.metrics.intervals import Interval, Sampled, bootstrap, differences_of, mcnemar
from modelport.evaluate.metrics.regression import Regression
from modelport.evaluate.metrics.weights import Figures, Floats
from modelport.evaluate.results import Comparison, Data, Evaluation, Measured, Metric, ModelFacts, Slice
from modelport.evaluate.subject import Subject

Results = Classification | Regression
#: Two regressions disagree about a row where their answers are further apart than this share of the other's.
APART = 0.01


@dataclass(frozen=True, slots=True)
class Options:
    """How to evaluate. `task` and `output` are found in the signature where they are None; `by` is who asked.

    `resamples` is how many bootstrap samples intervals are made of (0: no intervals; fewer where rows are many).
    """

    task: Task | None = None
    output: str | None = None
    batch: int = 256
    resamples: int = 1000
    seed: int = 0
    by: str = ""
    data_digest: str = ""


def evaluate(
    subject: Subject,
    data: DataSet,
    other: Subject | None = None,
    options: Options | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Run one model, or two on the same rows, over the data and measure. `progress` is told the rows that are done.

    Raises InvalidInputError for data that does not fit, UnsupportedError for a model whose outputs are neither classes
    nor a number, and what the model raises.
    """
    options = options or Options()
    began, now = time.perf_counter(), datetime.now(UTC)
    answerers = [Answerer(subject, options.task, options.output)]
    if other is not None:
        output = options.output if any(spec.name == options.output for spec in other.signature.outputs) else None
        answerers.append(Answerer(other, answerers[0].reading.task, output))
    truth = collect(data, answerers, options.batch, progress)
    results, notes = _results(truth, answerers)
    sampled = bootstrap(results[0], results[1] if other else None, options.resamples, options.seed)
    comparison = None
    if other is not None:
        comparison = _comparison(answerers, results, truth, sampled, options)
    return Evaluation(
        task=answerers[0].reading.task,
        measured=_measured(answerers[0], results[0], truth, sampled.own),
        data=Data(data.facts.name, data.facts.form, data.facts.label, truth.rows, options.data_digest),
        signature=signature_to_dict(subject.signature),
        seed=options.seed,
        resamples=sampled.resamples,
        time=now.isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - began, 3),
        by=options.by,
        notes=tuple(notes),
        comparison=comparison,
    )


def _results(truth: Truth, answerers: list[Answerer]) -> tuple[list[Results], list[str]]:
    """Truth and answers of each model, in the same classes."""
    if answerers[0].reading.task == "regression":
        true = np.concatenate(truth.numbers)
        return [Regression(true, answerer.numbers) for answerer in answerers], list(_odd_numbers(answerers))
    known = answerers[0].columns
    notes = []
    if match(truth.codes, known):
        notes.append(f"the label's numbers were taken for places in the model's classes: {', '.join(known[:12])}")
    _align(answerers, known or truth.codes.names)
    classes = order(known, truth.codes.names, *(answerer.names.names for answerer in answerers), *_columns(answerers))
    unseen = sorted(set(truth.codes.names) - set(known)) if known else []
    if unseen and len(unseen) == len(set(truth.codes.names)):
        raise InvalidInputError(
            f"none of the data's classes ({', '.join(unseen[:12])}) is one of the model's ({', '.join(known[:12])}): "
            "name the label column with --label, or the model's classes as 'labels' in modelport.toml"
        )
    if unseen:
        notes.append(f"the data has classes that the model does not know: {', '.join(unseen[:12])}")
    made: list[Results] = [_classification(classes, truth.codes, answerer) for answerer in answerers]
    if isinstance(made[0], Classification) and made[0].scores is not None and not made[0].are_probabilities:
        notes.append("the scores are no probabilities, so log loss, Brier score and calibration are undefined")
    return made, notes


def _align(answerers: list[Answerer], common: Sequence[str]) -> None:
    """Give the other model's classes this one's names. Raises InvalidInputError where that can't be told."""
    for other in answerers[1:]:
        theirs = other.columns or tuple(other.names.names)
        names = translate(theirs, common)
        if names is None:
            raise InvalidInputError(
                f"the classes of {other.subject.name} ({', '.join(theirs[:12])}) are not those of "
                f"{answerers[0].subject.name} ({', '.join(common[:12])}), so the two can't be compared"
            )
        other.call(names)


def _columns(answerers: list[Answerer]) -> Iterator[tuple[str, ...]]:
    return (answerer.columns for answerer in answerers)


def _classification(classes: tuple[str, ...], truth: Codes, answerer: Answerer) -> Classification:
    scores = answerer.scores
    return Classification(
        classes,
        truth.placed(classes),
        answerer.names.placed(classes),
        None if scores is None else spread(scores, answerer.columns, classes),
    )


def _odd_numbers(answerers: list[Answerer]) -> Iterator[str]:
    for answerer in answerers:
        odd = int((~np.isfinite(answerer.numbers)).sum())
        if odd:
            yield f"{answerer.subject.name} gave no finite number for {odd} rows, so its metrics are undefined"


def _measured(answerer: Answerer, results: Results, truth: Truth, intervals: dict[str, Interval]) -> Measured:
    subject = answerer.subject
    return Measured(
        model=ModelFacts(subject.name, subject.version, subject.digest, subject.format, subject.size, subject.golden),
        metrics=_metrics(results.figures(), intervals),
        speed=answerer.speed,
        slices=tuple(_slices(results, truth)),
        details=details_of(results),
    )


def _metrics(figures: Figures, intervals: dict[str, Interval]) -> dict[str, Metric]:
    return {name: Metric(_finite(value), *intervals.get(name, (None, None))) for name, value in figures.items()}


def _slices(results: Results, truth: Truth) -> Iterator[Slice]:
    for column, codes in truth.slices.items():
        places = codes.values
        for place, value in sorted(enumerate(codes.names), key=lambda item: item[1]):
            inside = (places == place).astype(np.float64)
            figures = {name: _finite(figure) for name, figure in results.figures(inside).items()}
            yield Slice(column, value, int(inside.sum()), figures)


def _comparison(
    answerers: list[Answerer], results: list[Results], truth: Truth, sampled: Sampled, options: Options
) -> Comparison:
    mine, theirs = results
    apart = _apart(mine, theirs)
    test = None
    if isinstance(mine, Classification) and isinstance(theirs, Classification):
        test = mcnemar(mine.right, theirs.right)
    return Comparison(
        other=_measured(answerers[1], theirs, truth, sampled.other),
        differences=_metrics(differences_of(mine.figures(), theirs.figures()), sampled.difference),
        disagreement=_share(apart, options),
        incompatibilities=incompatibilities(answerers[1].subject.signature, answerers[0].subject.signature),
        mcnemar=test,
    )


def _apart(mine: Results, theirs: Results) -> Floats:
    """1 for each row that the two answer otherwise."""
    if isinstance(mine, Classification):
        return np.asarray(mine.answers != theirs.answers, np.float64)
    return (~np.isclose(mine.answers, theirs.answers, rtol=APART, atol=1e-9)).astype(np.float64)


def _share(apart: Floats, options: Options) -> Metric:
    """The share with its interval: the bootstrap of a share is a binomial draw."""
    share, rows = float(apart.mean()), len(apart)
    if not options.resamples:
        return Metric(share)
    drawn = np.random.default_rng(options.seed).binomial(rows, share, options.resamples) / rows
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Metric(share, float(low), float(high))


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value
