"""`modelport golden`: answers that are kept, and asked for again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelport.cli.golden_files import read_request, write_golden
from modelport.cli.golden_target import Asked, opened, stored_with
from modelport.cli.model_opening import trust_options
from modelport.cli.prediction_input import UnreadableError
from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.golden import WarmupOptions, differs, read_golden

_TARGET_OPTIONS = (
    click.option("--model", help="The model, where TARGET is a server that serves several."),
    click.option("--version", help="The model's version; the server chooses where none is given."),
    click.option(
        "--timeout", type=click.FloatRange(min=0.001), default=30.0, show_default=True, help="Seconds to wait."
    ),
    trust_options,
)


def _with_target(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_TARGET_OPTIONS):
        command = option(command)
    return command


@click.group("golden")
def golden() -> None:
    """Keep a model's answers, and check that it still gives them.

    Files that `record` writes are what [warmup] in modelport.toml names: a version that answers otherwise never takes
    traffic (docs/lifecycle.md).
    """


@golden.command("record")
@click.argument("target")
@click.argument("requests", metavar="REQUEST...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A .json or .npz file; a folder for several requests."
)
@_with_target
def record(requests: tuple[Path, ...], out: Path, **given: Any) -> None:
    """Ask a model, and write requests with its answers.

    TARGET is a model's URL, a server's URL or a model file. REQUEST is a request of the Open Inference Protocol as JSON
    (its `outputs` name those that are kept), or an .npz file with an array for each input.
    """
    _check_files(requests)
    places = _places(requests, out)
    with _told(), opened(given) as asked:
        for request, place in zip(requests, places, strict=True):
            inputs, outputs = read_request(request, asked.signature)
            write_golden(place, inputs, asked.answer(inputs, outputs, request), asked.signature)
            click.echo(f"{place}: {_counted(len(outputs or asked.signature.outputs))} of {asked.name}")


@golden.command("check")
@click.argument("target")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--rtol", type=click.FloatRange(min=0), help="How close numbers must come.  [default: 0.001]")
@click.option("--atol", type=click.FloatRange(min=0), help="The same, for those near zero.  [default: 0.00001]")
@_with_target
def check(files: tuple[Path, ...], rtol: float | None, atol: float | None, **given: Any) -> None:
    """Ask a model what it was asked before, and compare its answers.

    FILEs are what `record` wrote; where none is named and TARGET is a model file, those that its modelport.toml names,
    with the tolerances there. Numbers are alike where |got - expected| <= atol + rtol * |expected|. Exits with 1 where
    an answer differs, which is said with its place.
    """
    _check_files(files)
    with _told(), opened(given) as asked:
        known, options = stored_with(given["target"])
        chosen = files or known
        if not chosen:
            raise UnreadableError("there is nothing to check: name files that `modelport golden record` wrote")
        near = WarmupOptions((), options.rtol if rtol is None else rtol, options.atol if atol is None else atol)
        wrong = sum(_differs(asked, file, near) for file in chosen)
    if wrong:
        raise click.ClickException(f"{asked.name} answers {wrong} of {_counted(len(chosen), 'request')} otherwise")


def _differs(asked: Asked, file: Path, near: WarmupOptions) -> bool:
    """Ask one again, and say what came of it."""
    stored = read_golden(file, asked.signature)
    got = asked.answer(stored.inputs, tuple(stored.expected) or None, file)
    found = [(name, differs(array, got[name], near.rtol, near.atol)) for name, array in stored.expected.items()]
    told = [f"{file}: output {name!r} {text}" for name, text in found if text]
    for line in told:
        click.echo(line)
    if not told:
        click.echo(f"{file}: {'as expected' if found else 'answered; it has no outputs to compare'}")
    return bool(told)


class _told:  # noqa: N801 - used as a function is
    """Turns the errors of what is asked into those of a command."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ModelportError):
            raise click.ClickException(" ".join(str(error).split())) from None


def _check_files(files: tuple[Path, ...]) -> None:
    for file in files:
        if not file.is_file():
            raise UnreadableError(f"there is no file {str(file)!r}")


def _places(requests: tuple[Path, ...], out: Path) -> list[Path]:
    """Where each answer goes. Raises UnreadableError."""
    if out.is_dir() or len(requests) > 1:
        if out.suffix in (".json", ".npz") and not out.is_dir():
            raise UnreadableError(f"--out {out} is one file, but there are {len(requests)} requests: name a folder")
        names = [request.name for request in requests]
        if len(set(names)) < len(names):
            raise UnreadableError("two of the requests have the same name, and would be one file in the folder")
        return [out / name for name in names]
    if out.suffix not in (".json", ".npz"):
        raise UnreadableError(f"--out {out} must end in .json or .npz, or be a folder that exists")
    return [out]


def _counted(count: int, word: str = "output") -> str:
    return f"{count} {word}{'s' * (count != 1)}"
