"""Pictures of figures as SVG, for light and dark pages: lines over a rate, and bars side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 20, 64, 52
_COLOURS = ("#2f6fde", "#d9622b", "#2e9d6a", "#a349b8", "#c79a00", "#0f96a8", "#8a6d5a", "#c43c63")
_BAR, _GAP, _ABOVE, _NAMES, _VALUES = 22, 8, 48, 190, 110
#: Pages show an SVG on their own ground: the ink follows what the reader's system prefers.
_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}"
    ".axis{stroke:#8b949e;stroke-width:1}.grid{stroke:#8b949e;stroke-width:1;opacity:.25}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>"
)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines through points (x, y), y > 0 on a logarithmic scale."""

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]


def chart_svg(chart: Chart) -> str:
    """The lines, with axes and a legend."""
    points = [point for line in chart.series.values() for point in line]
    most = max((x for x, _ in points), default=1.0) or 1.0
    low = math.floor(math.log10(min((y for _, y in points), default=0.1)))
    high = math.ceil(math.log10(max((y for _, y in points), default=10.0)) + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + x / most * (_WIDTH - _LEFT - _RIGHT)
        up = (math.log10(y) - low) / max(high - low, 1)
        return across, _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_LEFT, 26, chart.title, "title")]
    for exponent in range(low, high + 1):
        _, y = place(0, 10.0**exponent)
        parts += [_line("grid", _LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 8, y + 4, f"{10.0**exponent:g}", end=True)]
    for mark in _marks(most):
        x, _ = place(mark, 10.0**low)
        parts.append(_text(x, _HEIGHT - _BOTTOM + 20, _short(mark), middle=True))
    bottom = _HEIGHT - _BOTTOM
    parts += [_line("axis", _LEFT, bottom, _WIDTH - _RIGHT, bottom), _text(_WIDTH / 2, _HEIGHT - 10, chart.x_label)]
    parts.append(_text(8, _TOP - 14, chart.y_label))
    for number, (name, line) in enumerate(chart.series.items()):
        parts += _drawn(name, [place(x, y) for x, y in line], number)
    return _svg(_WIDTH, _HEIGHT, parts)


def bars_svg(title: str, bars: Sequence[tuple[str, float | None]], unit: str, without: str = "–") -> str:
    """Bars from zero, one below the other; where there is no value, `without` says why."""
    most = max((value for _, value in bars if value is not None), default=1.0) or 1.0
    height = _ABOVE + len(bars) * (_BAR + _GAP) + 12
    parts = [_text(12, 26, f"{title} ({unit})", "title")]
    for number, (name, value) in enumerate(bars):
        top = _ABOVE + number * (_BAR + _GAP)
        parts.append(_text(_NAMES - 8, top + 16, name, end=True))
        width = 0.0 if value is None else value / most * (_WIDTH - _NAMES - _VALUES)
        colour = _COLOURS[0] if number == 0 else "#8b949e"
        parts.append(f'<rect x="{_NAMES}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>')
        parts.append(_text(_NAMES + width + 8, top + 16, without if value is None else _value(value)))
    return _svg(_WIDTH, height, parts)


def _drawn(name: str, line: list[tuple[float, float]], number: int) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in line)
    x = _WIDTH - _RIGHT - 130
    yield f'<rect x="{x}" y="{14 + number * 18}" width="14" height="4" fill="{colour}"/>'
    yield _text(x + 20, 21 + number * 18, name)


def _marks(most: float) -> list[float]:
    """Round numbers from 0 to `most`, about five."""
    step = 10.0 ** math.floor(math.log10(most))
    step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if most / (step * part) <= 6)
    return [number * step for number in range(int(most / step + 1e-9) + 1)]


def _value(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _short(number: float) -> str:
    return f"{number / 1000:g}k" if number >= 10_000 else f"{number:g}"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", *, end: bool = False, middle: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ' text-anchor="middle"' if middle else ""
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{anchor}{named}>{escape(text)}</text>'


def _svg(width: int, height: int, parts: list[str]) -> str:
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return f"{head}\n{_STYLE}\n{body}\n</svg>\n"
