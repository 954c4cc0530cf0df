"""Handwritten digits: 8×8 pixels → 0 to 9. Reads the data set's scans, and what people draw on a screen."""

from __future__ import annotations

import warnings

import numpy as np
from export import Trained
from redrawing import SIDE, Hand, Lines, polylines, redrawn, thinned
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC

TRAINING_ROWS = 1347  # three quarters; the rest is held out
LABELS = [str(digit) for digit in range(10)]

#: Ways to write a digit that the data set's writers don't have, by the points of their strokes: x,y in 0…100.
WAYS = {
    0: ["50,0 85,18 92,50 85,82 50,100 15,82 8,50 15,18 50,0"],
    1: ["50,0 50,100", "25,25 55,0 55,100", "30,22 52,0 52,100 | 25,100 80,100"],
    2: ["15,25 25,5 50,0 75,8 82,28 70,52 15,100 90,100", "18,20 50,0 80,25 45,70 15,100 85,100"],
    3: ["15,10 45,0 78,12 75,38 42,48 75,55 85,78 55,100 12,90", "15,0 82,0 45,40 80,60 75,92 40,100 12,88"],
    4: ["65,100 65,0 10,68 92,68", "25,0 15,55 90,55 | 75,10 70,100"],
    5: ["82,0 25,0 18,42 55,38 85,60 78,88 45,100 12,88"],
    6: [
        "70,0 35,25 15,65 30,95 60,100 82,78 70,55 40,52 18,70",
        "80,8 50,0 20,30 15,70 40,100 75,92 82,65 55,48 20,62",
    ],
    7: ["10,0 88,0 40,100", "10,0 88,0 45,100 | 30,48 78,48"],
    8: ["50,48 22,32 25,8 50,0 75,8 78,32 50,48 18,65 15,88 50,100 85,88 82,65 50,48"],
    9: [
        "80,30 60,50 30,48 15,25 35,2 65,0 80,20 80,30 78,100",
        "80,25 55,52 22,40 22,10 50,0 78,12 80,25 75,70 50,98 20,92",
    ],
}
COPIES = 40  # of each way, no two quite the same


def train() -> Trained:
    """A small neural network. The held-out quarter is the end of the data set: mostly other people's writing."""
    data = load_digits()
    pictures, digits = data.images[:TRAINING_ROWS], data.target[:TRAINING_ROWS]
    held_out, held_out_digits = data.data[TRAINING_ROWS:], data.target[TRAINING_ROWS:]
    rows, classes = _lessons(pictures, digits, np.random.default_rng(0))
    network = MLPClassifier(
        (256, 256), batch_size=256, alpha=1e-3, learning_rate_init=0.002, max_iter=8, random_state=0
    )
    # The brightest pixel becomes 1: a thin pen's strokes are grey once they are 8×8.
    model = make_pipeline(Normalizer("max"), network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # eight passes are enough, and all that is wanted
        model.fit(rows, classes)
    image = {
        "kind": "image",
        "height": SIDE,
        "width": SIDE,
        "layout": "flat",
        "scale": 16 / 255,
        "ink": "light",
        "fit": "ink",
    }
    return Trained(
        name="digits",
        model=model,
        input_name="image",
        meaning={
            "description": "Reads a handwritten digit. Draw one, or send a picture of one.",
            "inputs": {"image": image},
            "outputs": {
                "label": {"kind": "labels", "labels": LABELS},
                "probabilities": {"kind": "probabilities", "labels": LABELS},
            },
        },
        held_out=held_out,
        summary=f"picture of 8×8 pixels → 0 to 9; held-out accuracy {model.score(held_out, held_out_digits):.3f} "
        f"({len(held_out)} pictures)",
    )


def _lessons(pictures: np.ndarray, digits: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What the network learns from: the pictures, as they are and shifted, and redrawings with other pens."""
    lines, drawn = _drawings(pictures, digits, random)
    whole = pictures.reshape(len(pictures), -1).astype(np.float32)
    shifted = [_shifted(pictures, random) for _ in range(15)]
    redrawings = [redrawn(lines, Hand.anyones(len(lines), random)) for _ in range(30)]
    return np.concatenate([whole] * 10 + shifted + redrawings), np.concatenate([digits] * 25 + [drawn] * 30)


def _drawings(pictures: np.ndarray, digits: np.ndarray, random: np.random.Generator) -> tuple[Lines, np.ndarray]:
    """Lines to draw digits along, and the digits. A thinned picture that no longer reads as its digit is left out."""
    lines = thinned(pictures)
    reader = SVC(C=10).fit(pictures.reshape(len(pictures), -1), digits)
    readable = reader.predict(redrawn(lines, Hand.plain(len(lines)))) == digits
    written, written_digits = [], []
    for digit, ways in WAYS.items():
        for way in ways * COPIES:
            narrow = random.uniform(0.55, 0.85)
            written.append([_stroke(points, narrow, random) for points in way.split(" | ")])
            written_digits.append(digit)
    return lines[readable].join(polylines(written)), np.concatenate([digits[readable], written_digits])


def _stroke(points: str, narrow: float, random: np.random.Generator) -> list[tuple[float, float]]:
    """One stroke's points in 0…1, the digit made narrower, each point a little off."""
    at = np.array([point.split(",") for point in points.split()], float) / 100
    at[:, 0] = 0.5 + (at[:, 0] - 0.5) * narrow
    return [(x, y) for x, y in at + random.normal(0, 0.02, at.shape)]


def _shifted(pictures: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each picture moved by up to half a pixel up or down and 0.7 to a side."""
    n = len(pictures)
    down, right = random.uniform(-0.5, 0.5, (n, 1, 1)), random.uniform(-0.7, 0.7, (n, 1, 1))
    which, y, x = np.meshgrid(np.arange(n), np.arange(SIDE), np.arange(SIDE), indexing="ij")
    moved = ndimage.map_coordinates(pictures, [which, y + down, x + right], order=1, mode="constant")
    return moved.reshape(n, -1).astype(np.float32)
