"""Draw digits again with other pens: what makes a model of scanned 8×8 digits read what people draw on a screen.

The data set's strokes are as thick as a marker's. Each picture is thinned to the line that the pen went along, and
drawn again along it with a pen of any width, at another size and place, and a little turned, slanted and stretched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

SIDE = 8  # pixels of a picture's side, as the data set has them
_FINE = 5  # points of a line drawing per pixel of the picture
_MARGIN = 1  # empty pixels around it
_CANVAS = (SIDE + 2 * _MARGIN) * _FINE
_DOTS = 24  # a drawing is made of 24×24 dots; each pixel of the picture counts 3×3 of them
PENS = (0.05, 0.26)  # widths of the pen, as a share of the picture's side
SIZES = (0.75, 1.0)  # heights of the drawing, likewise


@dataclass(frozen=True)
class Lines:
    """n line drawings: `on` marks the points of each line, `distance` says how far each point is from it, in sides."""

    on: np.ndarray  # bool [n, canvas, canvas]
    distance: np.ndarray  # float32, the same shape

    @classmethod
    def of(cls, on: np.ndarray) -> Lines:
        """The lines whose points are marked."""
        away = np.stack([ndimage.distance_transform_edt(~drawing) for drawing in on])
        return cls(on, (away / (_FINE * SIDE)).astype(np.float32))

    def __len__(self) -> int:
        return len(self.on)

    def __getitem__(self, chosen: np.ndarray) -> Lines:
        return Lines(self.on[chosen], self.distance[chosen])

    def join(self, other: Lines) -> Lines:
        """Both, one after the other."""
        return Lines(np.concatenate([self.on, other.on]), np.concatenate([self.distance, other.distance]))


def thinned(pictures: np.ndarray) -> Lines:
    """The lines along which pictures [n, 8, 8] with ink 0…16 were drawn."""
    padded = np.pad(pictures, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))
    large = ndimage.zoom(padded, (1, _FINE, _FINE), order=3, grid_mode=True, mode="grid-constant")
    # Sharpened first: the holes of a small 8 or 9 are grey, not black.
    sharp = large + 1.5 * (large - ndimage.gaussian_filter(large, (0, 1.5 * _FINE, 1.5 * _FINE)))
    return Lines.of(_skeletons(sharp > 10))


def polylines(drawings: list[list[list[tuple[float, float]]]]) -> Lines:
    """Lines from points: per drawing a list of strokes, per stroke its points, x and y in 0…1 of the picture."""
    on = np.zeros((len(drawings), _CANVAS, _CANVAS), bool)
    for index, strokes in enumerate(drawings):
        picture = Image.new("1", (_CANVAS, _CANVAS))
        for stroke in strokes:
            ImageDraw.Draw(picture).line(
                [((_MARGIN + x * SIDE) * _FINE, (_MARGIN + y * SIDE) * _FINE) for x, y in stroke], 1
            )
        on[index] = np.asarray(picture)
    return Lines.of(on)


def _skeletons(shapes: np.ndarray) -> np.ndarray:
    """Each shape [n, h, w] thinned to lines of one point's width, by the method of Zhang and Suen (1984)."""
    shapes = shapes.copy()
    left = -1
    while left != (left := int(shapes.sum())):
        for first in (True, False):
            p = np.pad(shapes, ((0, 0), (1, 1), (1, 1)))
            # The eight neighbours, clockwise from the north.
            ring = np.stack(
                [p[:, 1 + dy : p.shape[1] - 1 + dy, 1 + dx : p.shape[2] - 1 + dx]
                 for dy, dx in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]
            )  # fmt: skip
            north, east, south, west = ring[0], ring[2], ring[4], ring[6]
            one_run = (~ring & np.roll(ring, -1, 0)).sum(0) == 1
            count = ring.sum(0)
            side = (east & south & (north | west)) if first else (north & west & (east | south))
            shapes &= ~(one_run & (count >= 2) & (count <= 6) & ~side)
    return shapes


@dataclass(frozen=True)
class Hand:
    """How each of n lines is drawn again; every field is [n]."""

    pen: np.ndarray  # width, as a share of the picture's side
    size: np.ndarray  # height of the drawing, likewise
    stretch: np.ndarray  # wider than it was, 1: not
    turn: np.ndarray  # radians
    slant: np.ndarray  # how far the top leans over, per height
    down: np.ndarray  # place in the room that the drawing leaves: −1 to 1, 0 in the middle
    right: np.ndarray

    @classmethod
    def anyones(cls, n: int, random: np.random.Generator) -> Hand:
        """As people differ."""
        low_to_high = (PENS, SIZES, (0.75, 1.3), (-0.2, 0.2), (-0.2, 0.2), (-1, 1), (-1, 1))
        return cls(*(random.uniform(low, high, n) for low, high in low_to_high))

    @classmethod
    def plain(cls, n: int) -> Hand:
        """As the data set's pictures are: thick, upright, in the middle, filling the height."""
        return cls(*(np.full(n, value) for value in (0.19, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)))


def redrawn(lines: Lines, hand: Hand) -> np.ndarray:
    """One picture [n, 64] with ink 0…16 of each line."""
    (middle_y, tall), (middle_x, wide) = _extent(lines.on.any(2)), _extent(lines.on.any(1))
    scale_y = np.maximum(hand.size - hand.pen, 0.1) / np.maximum(tall, 0.1)
    scale_x = np.minimum(scale_y * hand.stretch, np.maximum(1 - hand.pen, 0.1) / np.maximum(wide, 0.05))
    shift_y = hand.down * np.maximum((1 - hand.size) / 2, 0.02)
    shift_x = hand.right * np.maximum((1 - scale_x * wide - hand.pen) / 2, 0.02)

    # For each dot of the new drawing, the point of the old one that it shows.
    dots = (np.arange(_DOTS) + 0.5) / _DOTS - 0.5
    y, x = dots[None, :, None] - _each(shift_y), dots[None, None, :] - _each(shift_x)
    cos, sin = np.cos(_each(hand.turn)), np.sin(_each(hand.turn))
    y, x = cos * y + sin * x, cos * x - sin * y
    x = x + _each(hand.slant) * y
    y, x = y / _each(scale_y) + _each(middle_y), x / _each(scale_x) + _each(middle_x)
    distance = _sampled(lines.distance, y, x) * np.sqrt(_each(scale_y) * _each(scale_x))

    ink = np.clip((_each(hand.pen) / 2 - distance) * _DOTS + 0.5, 0, 1)
    block = _DOTS // SIDE
    return (16 * ink.reshape(-1, SIDE, block, SIDE, block).mean((2, 4))).reshape(-1, SIDE * SIDE).astype(np.float32)


def _sampled(drawings: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The values of each of n drawings at points [n, …], in sides from its middle."""
    which = np.broadcast_to(np.arange(len(drawings))[:, None, None], y.shape)
    rows, columns = (axis * SIDE * _FINE + (_CANVAS - 1) / 2 for axis in (y, x))
    return ndimage.map_coordinates(drawings, [which, rows, columns], order=1, mode="nearest", prefilter=False)


def _each(values: np.ndarray) -> np.ndarray:
    """One value per drawing, to go with its dots."""
    return values[:, None, None]


def _extent(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle (from the canvas's middle) and the length of the marked part of each row [n, canvas], in sides."""
    low, high = marked.argmax(1), _CANVAS - marked[:, ::-1].argmax(1)
    return ((low + high) / 2 - _CANVAS / 2) / (SIDE * _FINE), (high - low) / (SIDE * _FINE)
