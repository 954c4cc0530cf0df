"""What a tensor means to people: columns of a table, a picture, a text, class labels. Optional beside every tensor.

The same words are written in `modelport.toml` and in a model file's metadata (see `runtimes/onnx/meaning.py`), and
shown by the pages. They are read from there by `meaning_from_dict` in `meaning_document.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a tabular input: a number, or a choice from `categories`.

    `type` narrows what it takes: `integer` whole numbers, `boolean` true and false (1 and 0 in a tensor of numbers).
    `minimum` and `maximum` are the usual range; values outside are refused where the column is `strict`. Where it is
    `optional`, a row that does not name it has its `default`.
    """

    name: str
    description: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    default: float | str | None = None
    categories: tuple[str, ...] = ()
    type: Literal["number", "integer", "boolean", "text"] | None = None
    strict: bool = False
    optional: bool = False


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
    dark, or `dark` on light; None leaves a picture as it is. `fit` is how a picture gets its size: `stretch`; `crop`:
    keep its proportions, make it a little larger (256 ÷ 224, as models of ImageNet are used) and cut out its middle; or
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
    fit: Literal["stretch", "crop", "ink"] = "stretch"
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class Text:
    """A BYTES tensor of UTF-8 texts, one per row.

    `tokenizer` is a file beside the model, as Hugging Face's `tokenizers` writes it: the server makes the model's token
    inputs from the text. The texts of a request get one length: that of the longest, or `max_length` where `padding` is
    "fixed". Where `padding` is false a request holds one text. More tokens than `max_length` (0: than the tokenizer's
    file says) are cut off unless `truncation` is false.
    """

    tokenizer: str = ""
    max_length: int = 0
    padding: Literal["fixed"] | bool = True
    truncation: bool = True
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Audio:
    """A batch of recordings, or a single one where the tensor has no axis for a batch.

    Samples in −1…1 (integer tensors: in their whole range) at `rate` samples a second. `layout` is the order of one
    recording's axes: `T` (a single channel), `CT` or `TC`. Where `samples` is set, recordings are cut or filled with
    silence to so many.
    """

    rate: int
    channels: Literal[1, 2] = 1
    layout: Literal["T", "CT", "TC"] = "T"
    samples: int = 0
    kind: Literal["audio"] = "audio"


@dataclass(frozen=True, slots=True)
class Labels:
    """A [-1] tensor with one class per row: an index into `labels` if it is an integer, otherwise the class itself."""

    labels: tuple[str, ...] = ()
    kind: Literal["labels"] = "labels"


@dataclass(frozen=True, slots=True)
class Probabilities:
    """A [-1, n] tensor with a score for each of n classes. People are shown the `top_k` best (0: all of them)."""

    labels: tuple[str, ...] = ()
    top_k: int = 0
    kind: Literal["probabilities"] = "probabilities"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A regression's result."""

    unit: str = ""
    description: str = ""
    kind: Literal["quantity"] = "quantity"


@dataclass(frozen=True, slots=True)
class Embedding:
    """A [-1, n] tensor with a vector for each row; `metric` is how two of them are compared."""

    metric: Literal["cosine", "dot", "euclidean"] | None = None
    description: str = ""
    kind: Literal["embedding"] = "embedding"


@dataclass(frozen=True, slots=True)
class Detection:
    """What is where in a picture: a [-1, n, 4] tensor with a box for each of n objects ([n, 4] without a batch).

    `form` is the order of a box's numbers. `scores`, `classes` and `count` name the outputs that hold each object's
    score and class, and how many objects there are. A [-1, n, 6] tensor holds box, score and class itself. A class is
    an index into `labels`, from `first_label` on. People are shown objects with a score of `threshold` or more.
    """

    scores: str = ""
    classes: str = ""
    count: str = ""
    labels: tuple[str, ...] = ()
    first_label: int = 0
    form: Literal["xyxy", "yxyx", "xywh", "cxcywh"] = "xyxy"
    threshold: float = 0.0
    kind: Literal["detection"] = "detection"


@dataclass(frozen=True, slots=True)
class Ranking:
    """A [-1, n] tensor with a score for each of n items; people are shown the `top_k` best first (0: all of them).

    The items are `items` in their order, or those whose indices (or names) the output `ids` has.
    """

    items: tuple[str, ...] = ()
    ids: str = ""
    top_k: int = 0
    kind: Literal["ranking"] = "ranking"


@dataclass(frozen=True, slots=True)
class Forecast:
    """A [-1, n] tensor with the values of the next n steps. A step is a time such as `15min`, `1h`, `1d` or `1month`.

    `start` is the time of the first value (ISO 8601), where it is always the same one. `lower` and `upper` name the
    outputs with the bounds of the values.
    """

    step: str = ""
    unit: str = ""
    start: str = ""
    lower: str = ""
    upper: str = ""
    kind: Literal["forecast"] = "forecast"


Meaning = (
    Tabular | Image | Text | Audio | Labels | Probabilities | Quantity | Embedding | Detection | Ranking | Forecast
)
