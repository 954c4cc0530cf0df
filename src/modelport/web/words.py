"""Signatures, numbers and times in the words that the pages use."""

from __future__ import annotations

from datetime import UTC, datetime

from modelport.core.meaning import (
    Audio,
    Detection,
    Embedding,
    Forecast,
    Image,
    Labels,
    Probabilities,
    Quantity,
    Ranking,
    Tabular,
    Text,
)
from modelport.core.signature import TensorSpec, shape_text

#: How a version runs, by the engine's word for it.
EXECUTIONS = {
    "tick": "tick: a cheap model, run on the event loop; what arrives in one pass is one batch",
    "inline": "inline: a cheap model, run on the event loop one request at a time",
    "pool": "pool: a dear model, run in threads; what waits while it runs is the next batch",
    "process": "process: run in a process of its own",
    "pipeline": "pipeline: run by other models",
}


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number: `3`, `14.1`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def rough_number(value: float) -> str:
    """A number to four digits, for hints: `0.1634`."""
    return number_text(float(f"{value:.4g}"))


def tensor_words(spec: TensorSpec) -> str:
    """What a tensor is to people, in a few words: `30 columns`, `8 × 8 greyscale picture`, `x FP32 [-1, 3]`."""
    match spec.meaning:
        case None:
            words = spec.describe()
        case Tabular(columns=columns):
            words = _count(len(columns), "column")
        case Image() as image:
            words = f"{image.width} × {image.height} {'greyscale' if image.channels == 1 else 'colour'} picture"
        case Text():
            words = "text"
        case Labels(labels=labels):
            words = f"{spec.name}: {_choices(labels)}"
        case Probabilities(labels=labels):
            words = f"{spec.name} of {_count(len(labels), 'class', 'classes')}" if labels else spec.name
        case Quantity(unit=unit, description=description):
            words = f"{description or spec.name}{f' in {unit}' if unit else ''}"
        case _:
            words = _other_words(spec)
    return words


def _other_words(spec: TensorSpec) -> str:
    """What the rarer kinds of tensors are to people."""
    match spec.meaning:
        case Audio(rate=rate, channels=channels):
            return f"{'stereo' if channels == 2 else 'mono'} recording at {rate} Hz"
        case Embedding(description=description):
            return description or f"{spec.name}: an embedding"
        case Detection(labels=labels):
            return f"objects of {_count(len(labels), 'class', 'classes')}" if labels else "objects in a picture"
        case Ranking(items=items):
            return f"{_count(len(items), 'item')} in order" if items else "items in order"
        case Forecast(step=step, unit=unit):
            when = f"a value every {step}" if step else "step by step"
            return f"{spec.name}{f' in {unit}' if unit else ''}, {when}"
        case _:
            return spec.describe()


def tensors_words(specs: tuple[TensorSpec, ...]) -> str:
    """Several tensors in words. More than three plain ones are only counted."""
    known = [spec for spec in specs if spec.meaning is not None]
    if not known and len(specs) > 3:
        return f"{len(specs)} tensors"
    if len(specs) > 1 and all(isinstance(spec.meaning, Tabular) for spec in specs):  # a table, column by column
        return _count(sum(len(spec.meaning.columns) for spec in specs if isinstance(spec.meaning, Tabular)), "column")
    return ", ".join(tensor_words(spec) for spec in specs) or "nothing"


def meaning_words(spec: TensorSpec) -> str:
    """A tensor's meaning for the signature's table, without the names in it; a dash where none is known."""
    match spec.meaning:
        case None:
            return "–"
        case Labels(labels=labels):
            return f"one of {_count(len(labels), 'class', 'classes')}" if labels else "a class"
        case Probabilities(labels=labels):
            return f"a score for each of {_count(len(labels), 'class', 'classes')}" if labels else "scores of classes"
        case Image(ink=ink) if ink:
            return f"{tensor_words(spec)}, {'light ink on dark' if ink == 'light' else 'dark ink on light'}"
        case _:
            return tensor_words(spec)


def meaning_names(spec: TensorSpec) -> list[str]:
    """The columns (with their units) or classes of a tensor, if it has any."""
    match spec.meaning:
        case Tabular(columns=columns):
            return [f"{column.name} ({column.unit})" if column.unit else column.name for column in columns]
        case Labels(labels=labels) | Probabilities(labels=labels) | Detection(labels=labels) | Ranking(items=labels):
            return list(labels)
        case _:
            return []


def time_text(seconds: float) -> str:
    """Unix seconds as `2025-11-21 09:30:00 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def cost_text(milliseconds: float) -> str:
    """What one prediction costs, to three digits, in the unit that suits it."""
    if milliseconds < 1:
        return f"{float(f'{milliseconds * 1000:.3g}'):g} µs"
    if milliseconds < 1000:
        return f"{float(f'{milliseconds:.3g}'):g} ms"
    return f"{float(f'{milliseconds / 1000:.3g}'):g} s"


def shape_words(spec: TensorSpec) -> str:
    """A tensor's shape as the protocol writes it."""
    return shape_text(spec.shape)


def _choices(labels: tuple[str, ...]) -> str:
    if not labels:
        return "a class"
    return " or ".join(labels) if len(labels) <= 3 else f"one of {len(labels)}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
