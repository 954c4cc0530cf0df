"""`modelport inspect FILE`: what a model file takes and gives."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import orjson

from modelport.cli.inspect_code import code_document
from modelport.cli.model_opening import open_file, trust_of, trust_options
from modelport.cli.prediction_input import UnreadableError
from modelport.cli.prediction_text import aligned
from modelport.core.description import signature_to_dict
from modelport.core.errors import ModelportError
from modelport.core.meaning import (
    Audio,
    Column,
    Detection,
    Forecast,
    Image,
    Labels,
    Meaning,
    Probabilities,
    Quantity,
    Ranking,
    Tabular,
    Text,
)
from modelport.core.runtime import LoadedModel
from modelport.core.signature import TensorSpec, shape_text

WIDTH = 80


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@trust_options
def inspect(file: Path, as_json: bool, trusted: tuple[str, ...], trust_globals: tuple[str, ...]) -> None:
    """Show a model file's signature: its inputs and outputs, and what they mean.

    Also its format, where it comes from, and its description; and what a file that can run code when it is loaded
    would import, which is found without loading it. Such a file is loaded only where it is trusted. Exits with 1 where
    the file is not a model that can be loaded.
    """
    if not file.exists():
        raise UnreadableError(f"there is no file {str(file)!r}")
    try:
        trust = trust_of(trusted, trust_globals)
        code = code_document(file, trust)
        if code is not None and code.get("error") and not code["imports"]:
            raise click.ClickException(code["error"])
        if code is not None and "refused" in code:
            document = {"file": str(file), "bytes": _size(file), **code}
            click.echo(_json(document) if as_json else _refused_text(document))
            return
        model = open_file(file, trust)
    except ModelportError as error:
        raise click.ClickException(str(error)) from None
    try:
        document = describe(file, model) | ({} if code is None else {"code": code})
        click.echo(_json(document) if as_json else _text(document, model))
    finally:
        model.close()


def describe(file: Path, model: LoadedModel) -> dict[str, Any]:
    """What is known about a model, as a plain document."""
    info = model.info
    return {
        "file": str(file),
        "bytes": _size(file),
        "format": info.format,
        "platform": info.platform,
        "framework": info.framework,
        "properties": dict(info.properties),
        "signature": signature_to_dict(model.signature),
    }


def _json(document: dict[str, Any]) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _refused_text(document: dict[str, Any]) -> str:
    """What is known of a file that is not loaded."""
    facts = [f"file    {document['file']}", f"format  {document['format']}", f"size    {size_text(document['bytes'])}"]
    lines = [*facts, "", *document["refused"].splitlines()]
    return "\n".join(wrapped for line in lines for wrapped in (_wrapped("", line, 2) or [""]))


def _size(file: Path) -> int:
    files = [file] if file.is_file() else [item for item in file.rglob("*") if item.is_file()]
    return sum(item.stat().st_size for item in files)


def _text(document: dict[str, Any], model: LoadedModel) -> str:
    signature = model.signature
    return "\n".join(
        [
            *_facts(document),
            "",
            *_tensors("Inputs", signature.inputs),
            "",
            *_tensors("Outputs", signature.outputs),
            *_columns(signature.inputs),
            *_code(document.get("code")),
        ]
    )


def _code(code: dict[str, Any] | None) -> Iterable[str]:
    if code is not None:
        yield from ("", "Code")
        for line in code["description"].splitlines():
            yield from _wrapped("  ", line, 4)


def _facts(document: dict[str, Any]) -> Iterable[str]:
    """One line for each fact, the description wrapped."""
    facts = {
        "file": document["file"],
        "format": f"{document['format']} ({document['platform']})",
        "framework": document["framework"],
        "size": size_text(document["bytes"]),
        **{name.replace("_", " "): value for name, value in document["properties"].items()},
    }
    indent = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        if value:
            yield from _wrapped(f"{name:<{indent}}", value, indent)


def size_text(size: int) -> str:
    """Bytes in the unit that suits them: `12.3 kB`."""
    value, unit = float(size), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def _tensors(title: str, specs: tuple[TensorSpec, ...]) -> Iterable[str]:
    rows = [["name", "datatype", "shape", ""]]
    rows += [[item.name, item.datatype, shape_text(item.shape), "optional" if item.optional else ""] for item in specs]
    lines = aligned(rows, WIDTH - 2) if specs else ["name  datatype  shape", "none"]
    yield title
    yield f"  {lines[0]}"
    for line, spec in zip(lines[1:], specs, strict=False):
        yield f"  {line}"
        meaning = meaning_text(spec)
        if meaning:
            yield from _wrapped("    ", meaning, 4)


def meaning_text(spec: TensorSpec) -> str:
    """What a tensor means, in words; empty where that is not known."""
    text = ""
    match spec.meaning:
        case Tabular(columns=columns):
            text = f"a table of {len(columns)} columns, listed below"
        case Image() as image:
            colour = "colour" if image.channels == 3 else "grey"
            text = f"an image, {image.width} × {image.height}, {colour} ({image.layout})"
        case Text():
            text = "texts"
        case Labels(labels=labels):
            text = f"one of {_listed(labels)}" if labels else "a class"
        case Probabilities(labels=labels):
            text = f"a score for each of {_listed(labels)}" if labels else "a score for each class"
        case Quantity(unit=unit, description=description):
            text = f"{description or 'a quantity'}{f' in {unit}' if unit else ''}"
        case None:
            pass
        case meaning:
            text = _other_text(meaning)
    return text


def _other_text(meaning: Meaning) -> str:
    """The rarer kinds in words."""
    match meaning:
        case Audio(rate=rate, channels=channels):
            return f"recordings (WAV), {rate} Hz, {'stereo' if channels == 2 else 'mono'}"
        case Detection(labels=labels):
            return f"boxes of objects of {_listed(labels)}" if labels else "boxes of objects"
        case Ranking(items=items):
            return f"scores of {len(items)} items, best first" if items else "scores of items, best first"
        case Forecast(step=step, unit=unit):
            return f"values of the steps to come{f', {step} each' if step else ''}{f', in {unit}' if unit else ''}"
        case _:
            return meaning.kind


def _listed(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:20])
    return f"{len(labels)} labels: {shown}{', …' if len(labels) > 20 else ''}"


def _columns(specs: tuple[TensorSpec, ...]) -> Iterable[str]:
    """The columns of each table, wrapped."""
    for spec in specs:
        if isinstance(spec.meaning, Tabular):
            yield ""
            yield f"Columns of {spec.name}"
            text = ", ".join(column_text(column).replace(" ", "\u00a0") for column in spec.meaning.columns)
            yield from (line.replace("\u00a0", " ") for line in _wrapped("  ", text, 2))


def column_text(column: Column) -> str:
    """A column in few words: `mean radius (mm, 6.9 to 28.1)`."""
    notes = [column.unit] if column.unit else []
    if column.minimum is not None and column.maximum is not None:
        notes.append(f"{column.minimum:.4g} to {column.maximum:.4g}")
    if column.categories:
        notes.append(" | ".join(column.categories[:6]) + (" | …" if len(column.categories) > 6 else ""))
    return f"{column.name} ({', '.join(notes)})" if notes else column.name


def _wrapped(first: str, text: str, indent: int) -> list[str]:
    # words longer than a line (a path) stay whole, so that they can be copied
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
