"""What tensors mean, in words for people."""

from __future__ import annotations

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
from modelport.core.signature import TensorSpec


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


def column_text(column: Column) -> str:
    """A column in few words: `mean radius (mm, 6.9 to 28.1)`."""
    notes = [column.unit] if column.unit else []
    if column.minimum is not None and column.maximum is not None:
        notes.append(f"{column.minimum:.4g} to {column.maximum:.4g}")
    if column.categories:
        notes.append(" | ".join(column.categories[:6]) + (" | …" if len(column.categories) > 6 else ""))
    return f"{column.name} ({', '.join(notes)})" if notes else column.name
