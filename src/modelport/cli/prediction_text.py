"""Predictions for people: bars for one row's scores, a table for several rows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import Any

import orjson

#: Rows and scores that are shown; --json has all of them.
MOST_ROWS, MOST_SCORES = 50, 10


def prediction_text(answer: list[dict[str, Any]] | dict[str, Any]) -> str:
    """The answer of `Client.predict` as lines of text, at most as wide as the terminal."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    if isinstance(answer, dict):
        return "\n".join(_entries(answer, width))
    if len(answer) == 1:
        return "\n".join(_entries(answer[0], width))
    return "\n".join(_rows(answer, width))


def _entries(row: dict[str, Any], width: int) -> Iterable[str]:
    indent = max((len(name) for name in row), default=0)
    for name, value in row.items():
        if _is_scores(value):
            yield name
            yield from _bars(value, width)
        else:
            yield shortened(f"{name:<{indent}}  {_value(value)}", width)


def _bars(scores: dict[str, float], width: int) -> Iterable[str]:
    """The scores, highest first; as a percentage and a bar where they are probabilities."""
    ranked = sorted(scores.items(), key=lambda item: -item[1])[:MOST_SCORES]
    names = max(min(len(label), width - 30) for label, _ in ranked)
    shares = all(0 <= score <= 1 for score in scores.values())
    for label, score in ranked:
        name = f"  {shortened(label, names):<{names}}"
        yield f"{name}  {score:>6.1%}  {_bar(score, width - names - 14)}".rstrip() if shares else f"{name}  {score:.6g}"
    if len(scores) > MOST_SCORES:
        yield f"  … {len(scores) - MOST_SCORES} more"


def _bar(share: float, width: int) -> str:
    """A bar in eighths of a character, or of `#` where the terminal's encoding has no blocks."""
    length = min(width, 40)
    try:
        "█▏".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "#" * round(share * length)
    eighths = round(share * length * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _rows(answer: list[dict[str, Any]], width: int) -> Iterable[str]:
    if not answer:
        yield "no rows"
        return
    names = list(answer[0])
    cells = [
        [str(number), *(_value(row.get(name)) for name in names)] for number, row in enumerate(answer[:MOST_ROWS], 1)
    ]
    yield from aligned([["row", *names], *cells], width)
    if len(answer) > MOST_ROWS:
        yield f"… {len(answer) - MOST_ROWS} more rows; --json shows them all"


def aligned(rows: list[list[str]], width: int) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows)
    return [shortened(line, width) for line in lines]


def shortened(text: str, width: int) -> str:
    """The text, or its beginning and `…` where it is longer than `width`."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if _is_scores(value):
        label = max(value, key=value.__getitem__)
        return f"{label} {value[label]:.1%}" if 0 <= value[label] <= 1 else f"{label} {value[label]:.6g}"
    return orjson.dumps(value).decode()


def _is_scores(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(item, int | float) for item in value.values())
