"""What `modelport inspect` found out about a model, as lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from modelport.cli.inspect_meanings import column_text, meaning_text
from modelport.cli.prediction_text import aligned
from modelport.core.description import signature_from_dict
from modelport.core.meaning import Tabular
from modelport.core.signature import TensorSpec, shape_text

WIDTH = 80


def document_text(found: dict[str, Any]) -> str:
    """The document of `examine`, in lines of at most 80 characters but for words that are longer."""
    sections = [
        list(_facts(found)),
        *_signature(found),
        *_listed("How it would be run", _run(found.get("run"))),
        *_listed("Code", found.get("code", {}).get("description", "").splitlines()),
        *_listed("Dangers", found["dangers"]),
        *_listed("Warnings", found["warnings"]),
        *_listed("To serve it", _needs(found)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _listed(title: str, lines: Iterable[str]) -> list[list[str]]:
    """A section, or nothing where it would be empty."""
    shown = [wrapped for line in lines for wrapped in _wrapped("  ", line, 4)]
    return [[title, *shown]] if shown else []


def _needs(found: dict[str, Any]) -> Iterable[str]:
    """What is missing; a refusal repeats what the code asks for, which stands above."""
    above = found.get("code", {}).get("description", "").splitlines()
    return [line for need in found["needs"] for line in need["text"].splitlines() if line not in above]


def _facts(found: dict[str, Any]) -> Iterable[str]:
    """One line for each fact, long ones wrapped."""
    platform = f" ({found['platform']})" if found.get("platform") else ""
    facts = {
        "name": f"{found['model']}, version {found['version']}",
        "file": found["file"],
        "format": f"{found['format']}{platform}" if "format" in found else "",
        "written by": found.get("written_by", ""),
        "framework": found.get("framework") or found.get("installed", ""),
        "size": _size(found),
        "parameters": found.get("parameters", ""),
        "steps": ", ".join(found.get("steps", ())),
        "models": ", ".join(found.get("models", ())),
        "golden": f"{found['golden']} stored requests are answered rightly" if "golden" in found else "",
        "sha256": found.get("sha256", ""),
        **{name.replace("_", " "): value for name, value in found.get("properties", {}).items()},
    }
    indent = max(len(name) for name, value in facts.items() if value) + 2
    for name, value in facts.items():
        if value:
            yield from _wrapped(f"{name:<{indent}}", value, indent)


def _size(found: dict[str, Any]) -> str:
    if "bytes" not in found:
        return ""
    beside = f", and {size_text(found['bytes_beside'])} in files beside it" if found["bytes_beside"] else ""
    return f"{size_text(found['bytes'])}{beside}"


def size_text(size: int) -> str:
    """Bytes in the unit that suits them: `12.3 kB`."""
    value, unit = float(size), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def _run(run: dict[str, Any] | None) -> Iterable[str]:
    if run is None:
        return
    yield f"execution  {run['execution']}"
    yield (
        f"cost       {run['cost_ms']:.3g} ms for one row"
        if run["cost_ms"]
        else "cost       not known: it refuses zeros"
    )
    yield f"batching   {run['batching']}"
    points = ", ".join(f"{point['rows']}: {point['ms']:.3g}" for point in run["cost_curve"])
    if len(run["cost_curve"]) > 1:
        yield f"ms by rows {points}"


def _signature(found: dict[str, Any]) -> Iterable[list[str]]:
    if "signature" not in found:
        return
    signature = signature_from_dict(found["signature"])
    yield list(_tensors("Inputs", signature.inputs))
    if signature.outputs or "framework" in found:
        yield list(_tensors("Outputs", signature.outputs))
    for spec in signature.inputs:
        if isinstance(spec.meaning, Tabular):
            text = ", ".join(column_text(column).replace(" ", "\u00a0") for column in spec.meaning.columns)
            lines = _wrapped("  ", text, 2)
            yield [f"Columns of {spec.name}", *(line.replace("\u00a0", " ") for line in lines)]


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
