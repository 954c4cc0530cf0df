"""`modelport evaluate MODEL --data FILE`: how good a model is on labelled data, and whether it passes its gates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from modelport.artifacts.digest import digest
from modelport.cli.evaluate_options import evaluate_options
from modelport.cli.evaluate_subject import opened
from modelport.cli.evaluate_text import evaluation_text, verdict_line
from modelport.cli.evaluate_version import evaluated_version, is_version
from modelport.cli.model_opening import trust_of
from modelport.cli.prediction_input import UnreadableError
from modelport.cli.registry_options import Where, change_options, registry_options
from modelport.core.errors import Kind, ModelportError
from modelport.evaluate.data.columns import Asked
from modelport.evaluate.data.opening import open_data
from modelport.evaluate.evaluation import Options
from modelport.evaluate.evaluation import evaluate as evaluate_subject
from modelport.evaluate.gates.gate import Gate, references_of
from modelport.evaluate.gates.judging import Verdict, judge
from modelport.evaluate.gates.reading import read_gate
from modelport.evaluate.plots.charts import charts_of
from modelport.evaluate.plots.report import report_html
from modelport.evaluate.results import Evaluation
from modelport.registry.records import By

#: The exit code where a gate refuses.
REFUSED = 3
#: Errors that are not the input's: the model raised, the server is away.
_FAILURES = frozenset(
    (
        Kind.MODEL_FAILED,
        Kind.UNAVAILABLE,
        Kind.DEADLINE_EXCEEDED,
        Kind.OVERLOADED,
        Kind.OUT_OF_RESOURCES,
        Kind.CONFLICT,
        Kind.INTERNAL,
    )
)


@click.command("evaluate")
@click.argument("target", metavar="MODEL")
@evaluate_options
@change_options
@registry_options
def evaluate(target: str, by: By, where: Where, **given: Any) -> None:
    """Measure a model on labelled data, and judge gates.

    MODEL is a model file or folder, the URL of a served model, or a version of the registry (fraud@4), where the
    evaluation is kept then. Columns of the data are matched with the model's by their names. With --compare, both
    models answer the same rows, and the other one is `production` in gates: "accuracy >= production - 0.005". The
    gates' language is in docs/evaluation.md.

    Exits with 0 where all gates pass, with 3 where one refuses, with 2 where the data or a gate can't be read or does
    not fit, and with 1 where the model or the server fails.
    """
    with _readable():
        gates = [read_gate(text) for text in given["gates"]]
        _check_references(gates, given["compare"])
        if is_version(target):
            evaluation, verdicts = evaluated_version(target, given, where, by)
        else:
            _check_no_registry(where, target)
            evaluation = _evaluated(target, given, by)
            verdicts = judge(gates, evaluation)
        _write(evaluation, verdicts, given)
    click.echo(evaluation_text(evaluation))
    if verdicts:
        click.echo("\n" + "\n".join(map(verdict_line, verdicts)))
    refused = sum(not verdict.passed for verdict in verdicts)
    if refused:
        click.echo(f"{refused} of {len(verdicts)} gates refused", err=True)
        sys.exit(REFUSED)


def _evaluated(target: str, given: dict[str, Any], by: By) -> Evaluation:
    trust = trust_of(given["trusted"], given["trust_globals"])
    data_file: Path = given["data"]
    with ExitStack() as stack:
        subject = stack.enter_context(opened(target, given["model"], given["version"], trust, given["timeout"]))
        other = None
        if given["compare"] is not None:
            other = stack.enter_context(opened(given["compare"], None, None, trust, given["timeout"]))
        data = open_data(data_file, subject.signature, Asked(given["label"], given["slices"], given["ignored"]))
        options = Options(
            task=given["task"],
            output=given["output"],
            batch=given["batch"],
            resamples=given["resamples"],
            seed=given["seed"],
            by=by.who,
            data_digest=digest(data_file),
        )
        return evaluate_subject(subject, data, other, options)


def _write(evaluation: Evaluation, verdicts: tuple[Verdict, ...], given: dict[str, Any]) -> None:
    try:
        if given["json_file"] is not None:
            given["json_file"].write_bytes(_document(evaluation, verdicts))
        if given["html"] is not None:
            given["html"].write_text(report_html(evaluation, verdicts), encoding="utf-8")
        if given["plots"] is not None:
            given["plots"].mkdir(parents=True, exist_ok=True)
            for name, svg in charts_of(evaluation.measured).items():
                (given["plots"] / f"{name}.svg").write_text(svg, encoding="utf-8")
    except OSError as error:
        raise UnreadableError(f"{error.filename} can't be written: {error.strerror}") from None


def _document(evaluation: Evaluation, verdicts: tuple[Verdict, ...]) -> bytes:
    """The evaluation as JSON, with its gates behind it."""
    document = {**msgspec.to_builtins(evaluation), "gates": msgspec.to_builtins(verdicts)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _check_references(gates: list[Gate], compare: str | None) -> None:
    """Say before the work that a gate can't be judged."""
    wanted = sorted({name for gate in gates for name in references_of(gate)})
    if wanted and compare is None:
        raise UnreadableError(f"a gate speaks of {wanted[0]!r}: name that version with --compare")


def _check_no_registry(where: Where, target: str) -> None:
    if where != Where():
        raise UnreadableError(f"--home, --registry and --server are for versions such as fraud@4, not for {target!r}")


@contextmanager
def _readable() -> Iterator[None]:
    """Errors as one line, with the exit code of their kind."""
    try:
        yield
    except ModelportError as error:
        failed = click.ClickException(str(error)) if error.kind in _FAILURES else UnreadableError(str(error))
        raise failed from None
