"""Parts of an SVG picture that can be read on light and on dark pages: the ink follows what the reader prefers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}"
    ".small{font-size:11px}.axis{stroke:#8b949e}.grid{stroke:#8b949e;opacity:.25}.even{stroke:#8b949e;"
    "stroke-dasharray:4 4}.bar,.dot{fill:#2f6fde}.faint{opacity:.35}.over{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar,.dot{fill:#6ea1ff}.over{fill:#0d1117}}</style>"
)
#: Colours that keep apart on both grounds.
COLOURS = ("#3b7ae6", "#d9622b", "#2e9d6a", "#a349b8", "#b58900", "#0f96a8", "#8a6d5a", "#c43c63")


@dataclass
class Picture:
    """An SVG that is being drawn, in units of a CSS pixel."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start", turn: int = 0) -> None:
        """A line of text; `anchor` is start, middle or end."""
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        named = f' class="{kind}"' if kind else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}{turned}>{escape(str(text))}</text>'
        )

    def line(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """A straight line."""
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, hint: str = "", **style: str) -> None:
        """A filled rectangle; `hint` is shown to who points at it."""
        more = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in style.items())
        inner = f"<title>{escape(hint)}</title>" if hint else ""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect class="{kind}" {place}{more}>{inner}</rect>')

    def path(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A line through points."""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def dot(self, x: float, y: float, radius: float, kind: str = "dot", colour: str = "") -> None:
        """A filled circle."""
        fill = f' style="fill:{colour}"' if colour else ""
        self.parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"{fill}/>')

    def svg(self) -> str:
        """The picture as a document, which also stands in an HTML page as it is."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{escape(self.title)}">'
        )
        return "\n".join((head, STYLE, *self.parts, "</svg>\n"))


@dataclass(frozen=True, slots=True)
class Axes:
    """A square or oblong of a picture with numbers at its sides."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies in the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return self.left + across * self.width, self.top + (1 - up) * self.height

    def draw(self, picture: Picture, x_label: str, y_label: str) -> None:
        """Grid, numbers and labels."""
        bottom = self.top + self.height
        for mark in marks(*self.x):
            x, _ = self.at(mark, self.y[0])
            picture.line("grid", x, self.top, x, bottom)
            picture.text(x, bottom + 18, short(mark), "small", anchor="middle")
        for mark in marks(*self.y):
            _, y = self.at(self.x[0], mark)
            picture.line("grid", self.left, y, self.left + self.width, y)
            picture.text(self.left - 6, y + 4, short(mark), "small", anchor="end")
        picture.line("axis", self.left, bottom, self.left + self.width, bottom)
        picture.line("axis", self.left, self.top, self.left, bottom)
        picture.text(self.left + self.width / 2, bottom + 38, x_label, anchor="middle")
        picture.text(14, self.top + self.height / 2, y_label, anchor="middle", turn=-90)


def marks(low: float, high: float) -> list[float]:
    """Round numbers between two numbers, about five."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    step = 10.0 ** math.floor(math.log10(span))
    step = next((step * part for part in (0.1, 0.2, 0.5, 1) if span / (step * part) <= 6), step * 2)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, int(high / step + 1e-9) + 1)]


def short(number: float) -> str:
    """A number in few characters."""
    return f"{number / 1000:g}k" if abs(number) >= 10_000 else f"{number:.3g}"
