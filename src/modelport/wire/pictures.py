"""A picture file as the tensor that a model takes: decoded, turned upright, resized and scaled."""

from __future__ import annotations

import io
import warnings
from math import sqrt

import numpy as np
from PIL import Image as Pillow
from PIL import ImageChops, ImageOps, UnidentifiedImageError

from modelport.core.datatypes import DTYPES, INTEGERS, Array, integer_range
from modelport.core.errors import InvalidInputError, ModelportError, TooLargeError
from modelport.core.meaning import Image
from modelport.core.signature import TensorSpec

FORMATS = ("PNG", "JPEG", "WEBP")
#: A small file can declare a huge picture: more pixels than this are refused before they are decoded.
LARGEST = 50_000_000
#: The share of a side that a drawing fills once it is cut out and centred.
_FILL = 0.9
#: The shorter side of a picture before its middle is cut out, compared to the model's.
_MARGIN = 256 / 224
#: The most pixels of the canvas that a drawing is centred on.
_CANVAS = 4_000_000


def picture_tensor(data: bytes, meaning: Image, spec: TensorSpec) -> Array:
    """A tensor of one row in the layout and datatype of `spec`. Raises InvalidInputError or TooLargeError."""
    try:
        picture = _sized(_opened(data, meaning), meaning)
    except ModelportError:
        raise
    except Pillow.DecompressionBombError:
        raise TooLargeError(f"the picture has too many pixels; the limit is {LARGEST}") from None
    except UnidentifiedImageError:
        raise InvalidInputError(
            f"the file is not a picture that can be read; send one of {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # a decoder raises whatever comes when a file is damaged: struct.error, KeyError …
        reason = str(error) or type(error).__name__
        raise InvalidInputError(f"the picture can't be decoded: {reason}") from None
    pixels = np.asarray(picture, np.float64).reshape(meaning.height, meaning.width, meaning.channels) * meaning.scale
    if meaning.mean:
        pixels = pixels - np.array(meaning.mean)
    if meaning.std:
        pixels = pixels / np.array(meaning.std)
    if spec.datatype in INTEGERS:
        pixels = pixels.round().clip(*integer_range(spec.datatype))
    return _laid_out(pixels, meaning).astype(DTYPES[spec.datatype], order="C")[np.newaxis]


def _opened(data: bytes, meaning: Image) -> Pillow.Image:
    """The picture upright, on the right background, in as many channels as the model takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata and many pixels: the caller can't see them
        picture: Pillow.Image = Pillow.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > LARGEST:
            raise TooLargeError(f"the picture has {picture.width} × {picture.height} pixels; the limit is {LARGEST}")
        if meaning.fit != "crop":  # a picture that is cut out is resized exactly as models of ImageNet are used
            picture.draft("L" if meaning.channels == 1 else "RGB", (4 * meaning.width, 4 * meaning.height))
        return _flattened(ImageOps.exif_transpose(picture), meaning)


def _flattened(picture: Pillow.Image, meaning: Image) -> Pillow.Image:
    """Without transparency, in the model's channels, with the ink that the model knows."""
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        picture = Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
        background = Pillow.new("RGBA", picture.size, _background(picture, meaning))
        picture = Pillow.alpha_composite(background, picture)
    picture = picture.convert("L" if meaning.channels == 1 else "RGB")
    if meaning.ink is not None and _is_light(picture) == (meaning.ink == "light"):
        picture = ImageOps.invert(picture)
    return picture


def _background(picture: Pillow.Image, meaning: Image) -> str:
    """What lies behind a transparent picture: white, or for a drawing what its strokes stand out from."""
    if meaning.ink is None:
        return "white"
    alpha = np.asarray(picture.getchannel("A"), np.float32)
    ink = float((np.asarray(picture.convert("L"), np.float32) * alpha).sum()) / max(float(alpha.sum()), 1.0)
    return "black" if ink > 127 else "white"


def _is_light(picture: Pillow.Image) -> bool:
    """Whether the background, which is what the border shows, is light."""
    grey = np.asarray(picture.convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(border) > 127)


def _sized(picture: Pillow.Image, meaning: Image) -> Pillow.Image:
    size = (meaning.width, meaning.height)
    if picture.size == size and meaning.fit != "crop":
        return picture
    if meaning.fit == "crop":
        return _middle(picture, meaning)
    if meaning.fit == "ink":
        picture = _centred(picture, meaning)
    return picture.resize(size, Pillow.Resampling.BOX if picture.width > size[0] else Pillow.Resampling.BILINEAR)


def _middle(picture: Pillow.Image, meaning: Image) -> Pillow.Image:
    """The middle of the picture once its shorter side is a little longer than the model's."""
    shorter = round(min(meaning.width, meaning.height) * _MARGIN)
    width, height = (int(shorter * side / min(picture.size)) for side in picture.size)
    if max(width, height) * shorter > LARGEST:
        raise TooLargeError(f"the picture is {picture.width} × {picture.height}: too long to be cut to its middle")
    larger = picture.resize((width, height), Pillow.Resampling.BILINEAR)
    left, top = round((width - meaning.width) / 2), round((height - meaning.height) / 2)
    return larger.crop((left, top, left + meaning.width, top + meaning.height))


def _centred(picture: Pillow.Image, meaning: Image) -> Pillow.Image:
    """What is drawn, in its proportions, in the middle of a canvas that has those of the model's picture."""
    background = 255 if meaning.ink == "dark" else 0
    empty = Pillow.new(picture.mode, picture.size, background if meaning.channels == 1 else (background,) * 3)
    box = ImageChops.difference(picture, empty).convert("L").point(lambda value: 255 if value > 32 else 0).getbbox()
    if box is None:
        return picture
    drawn = picture.crop(box)
    unit = max(drawn.width / meaning.width, drawn.height / meaning.height) / _FILL
    shrink = sqrt(_CANVAS / (unit * unit * meaning.width * meaning.height))
    if shrink < 1:  # a long thin drawing would need a huge canvas
        drawn = drawn.resize((max(round(drawn.width * shrink), 1), max(round(drawn.height * shrink), 1)))
        unit *= shrink
    canvas = empty.resize((max(round(unit * meaning.width), 1), max(round(unit * meaning.height), 1)))
    canvas.paste(drawn, ((canvas.width - drawn.width) // 2, (canvas.height - drawn.height) // 2))
    return canvas


def _laid_out(pixels: Array, meaning: Image) -> Array:
    if meaning.layout == "CHW":
        return pixels.transpose(2, 0, 1)
    if meaning.layout == "HW":
        return pixels[:, :, 0]
    return pixels.reshape(-1) if meaning.layout == "flat" else pixels
