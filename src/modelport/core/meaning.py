"""What a tensor means to people: columns of a table, an image, a text, class labels. Optional beside every tensor.

The same words are written in a model file's metadata (see `runtimes/onnx_meaning.py`) and shown by the pages. They are
read from there by `meaning_from_dict` in `meaning_document.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a tabular input: a number, or a choice from `categories`."""

    name: str
    description: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    default: float | str | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tabular:
    """A [-1, n] tensor whose n columns have names."""

    columns: tuple[Column, ...]
    kind: Literal["tabular"] = "tabular"


@dataclass(frozen=True, slots=True)
class Image:
    """A batch of pictures of one size.

    A pixel p in 0…255 becomes (p × scale − mean[c]) ÷ std[c]. `layout` is the order of one picture's axes: `HW`, `HWC`,
    `CHW` or `flat` (all pixels in one axis, row by row). `ink` says what a drawing looks like to the model: `light` on
    dark, or `dark` on light; None leaves a picture as it is. `fit` is how a picture gets its size: `stretch`, or
    `ink`: cut out what is drawn, keep its proportions, and centre it.
    """

    height: int
    width: int
    channels: Literal[1, 3] = 1
    layout: Literal["HW", "HWC", "CHW", "flat"] = "HWC"
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    ink: Literal["light", "dark"] | None = None
    fit: Literal["stretch", "ink"] = "stretch"
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class Text:
    """A BYTES tensor of UTF-8 texts, one per row."""

    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Labels:
    """A [-1] tensor with one class per row: an index into `labels` if it is an integer, otherwise the class itself."""

    labels: tuple[str, ...] = ()
    kind: Literal["labels"] = "labels"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """A [-1, n] tensor with a score for each of n classes."""

    labels: tuple[str, ...] = ()
    kind: Literal["probabilities"] = "probabilities"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A regression's result."""

    unit: str = ""
    description: str = ""
    kind: Literal["quantity"] = "quantity"


Meaning = Tabular | Image | Text | Labels | Probabilities | Quantity
