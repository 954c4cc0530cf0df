"""Digits as someone would draw them on the page: strokes on a dark canvas, of any pen, size and place."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CANVAS = 280
Stroke = np.ndarray  # [n, 2]: x and y of each point, in 0…1


def drawings(random: np.random.Generator) -> Iterator[tuple[int, bytes]]:
    """Each digit in several ways, pens, sizes and places, as (digit, PNG file)."""
    for digit, ways in _ways().items():
        for strokes in ways:
            for size in (0.4, 0.65, 0.9):
                for pen in (10, 18, 28):
                    yield digit, _png(_drawn(strokes, size, pen, random))


def printed(random: np.random.Generator) -> Iterator[tuple[int, bytes]]:
    """Each digit in the typeface that Pillow brings, in several sizes and places, as (digit, PNG file)."""
    for digit in range(10):
        for size in (100, 150, 200):
            font = ImageFont.load_default(size)
            left, top, right, bottom = font.getbbox(str(digit))
            picture = Image.new("L", (CANVAS, CANVAS))
            x, y = random.uniform(0, CANVAS - (right - left)), random.uniform(0, CANVAS - (bottom - top))
            ImageDraw.Draw(picture).text((x - left, y - top), str(digit), font=font, fill=255)
            yield digit, _png(picture)


def _drawn(strokes: list[Stroke], size: float, pen: int, random: np.random.Generator) -> Image.Image:
    """A little turned and stretched, anywhere on the canvas where it fits."""
    turn, stretch = random.uniform(-0.15, 0.15), random.uniform(0.8, 1.1)
    place = random.uniform(-1, 1, 2) * max((1 - size) / 2 - 0.05, 0)
    mixing = np.array([[stretch * np.cos(turn), -np.sin(turn)], [stretch * np.sin(turn), np.cos(turn)]])
    picture = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(picture)
    for stroke in strokes:
        points = [tuple(point) for point in (((stroke - 0.5) @ mixing.T) * size + place + 0.5) * CANVAS]
        draw.line(points, fill=255, width=pen, joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
    return picture


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _ways() -> dict[int, list[list[Stroke]]]:
    """Drawn by other rules than the shapes that the example trains on: arcs of ellipses and straight lines."""
    return {
        0: [[_arc(0.5, 0.5, 0.3, 0.45, -90, 270)]],
        1: [
            [_line((0.5, 0.05), (0.5, 0.95))],
            [_line((0.35, 0.2), (0.55, 0.05), (0.55, 0.95))],
            [_line((0.35, 0.2), (0.5, 0.05), (0.5, 0.95)), _line((0.3, 0.95), (0.7, 0.95))],
        ],
        2: [[np.r_[_arc(0.5, 0.3, 0.28, 0.25, -170, 40), _line((0.2, 0.95), (0.82, 0.95))]]],
        3: [[np.r_[_arc(0.47, 0.28, 0.27, 0.23, -150, 80), _arc(0.47, 0.72, 0.3, 0.24, -80, 150)]]],
        4: [
            [_line((0.6, 0.05), (0.18, 0.65), (0.85, 0.65)), _line((0.65, 0.4), (0.65, 0.95))],
            [_line((0.3, 0.05), (0.25, 0.5), (0.8, 0.5)), _line((0.72, 0.05), (0.68, 0.95))],
        ],
        5: [[_line((0.78, 0.05), (0.3, 0.05), (0.27, 0.45)), _arc(0.48, 0.67, 0.29, 0.27, -140, 140)]],
        6: [[np.r_[_line((0.65, 0.05), (0.4, 0.3)), _arc(0.5, 0.68, 0.25, 0.26, -160, 220)]]],
        7: [
            [_line((0.2, 0.08), (0.8, 0.08), (0.4, 0.95))],
            [_line((0.2, 0.08), (0.8, 0.08), (0.42, 0.95)), _line((0.35, 0.5), (0.72, 0.5))],
        ],
        8: [[_arc(0.5, 0.28, 0.22, 0.22, 90, 450), _arc(0.5, 0.73, 0.28, 0.23, -90, 270)]],
        9: [
            [_arc(0.5, 0.3, 0.26, 0.25, 0, 360), _line((0.76, 0.3), (0.74, 0.6), (0.6, 0.95))],
            [_arc(0.5, 0.3, 0.26, 0.25, 0, 360), _line((0.76, 0.3), (0.72, 0.95))],
        ],
    }


def _arc(x: float, y: float, width: float, height: float, start: float, end: float) -> Stroke:
    """Part of an ellipse with that middle and half axes, from one angle to the other, in degrees."""
    angles = np.radians(np.linspace(start, end, 24))
    return np.c_[x + width * np.cos(angles), y + height * np.sin(angles)]


def _line(*points: tuple[float, float]) -> Stroke:
    return np.array(points, float)
