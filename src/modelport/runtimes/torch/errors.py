"""PyTorch's errors in the words of the error tree.

It raises RuntimeError for nearly everything. What is the caller's fault is recognised by its text; a text that is not
recognised is still given, without its stack of frames.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from modelport.core.errors import (
    InvalidInputError,
    InvalidModelError,
    ModelFailedError,
    ModelportError,
    OutOfResourcesError,
)

_LONGEST = 600
_OF_TORCHSCRIPT = re.compile(r"(?:^|\n)(?:\w+\.)*(?:RuntimeError|\w*Error|\w*Exception): ")
_FRAMES = re.compile(r"\n(?:Exception raised from|Traceback|C\+\+ CapturedTraceback|#\d+ )", re.MULTILINE)
_BLAMES_THE_INPUT = re.compile(
    r"index out of range in self|mat1 and mat2 shapes cannot be multiplied|[Gg]uard failed|size mismatch, got"
    r"|[Ee]xpected input\S*(?: at \S+)?\.? .{0,80}(?:to be|to have|shape)|the size of tensor a \(\d+\) must match"
    r"|[Ee]xpected .{0,60}-?[dD](?:imensional)? .{0,40}input|shape '.*' is invalid for input of size"
    r"|[Ii]nput size per channel|[Kk]ernel size can't be greater than actual input size"
    r"|index -?\d+ is out of bounds"
)


def clean(error: BaseException) -> str:
    """The error's text on one line, without frames; never empty."""
    text = str(error)
    inner = list(_OF_TORCHSCRIPT.finditer(text))
    if inner:
        text = text[inner[-1].end() :]
    text = " ".join(_FRAMES.split(text)[0].split())
    return text[:_LONGEST] or type(error).__name__


def prediction_error(error: Exception) -> ModelportError:
    """What a failure while predicting means."""
    if isinstance(error, ModelportError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return OutOfResourcesError(f"the device has too little memory left for this request: {clean(error)}")
    text = clean(error)
    if _BLAMES_THE_INPUT.search(text):
        return InvalidInputError(f"the model refused the input: {text}")
    return ModelFailedError(f"the model failed: {text}")


def load_error(error: Exception, name: str, what: str) -> ModelportError:
    """What a failure to load a file means; `what` is the kind of file it should be."""
    if isinstance(error, ModelportError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return OutOfResourcesError(f"{name} does not fit into the device's memory: {clean(error)}")
    text = str(error)
    version = re.search(r"version (?:of )?(\d+), but the maximum supported version for reading is (\d+)", text)
    if version:
        return InvalidModelError(
            f"{name} is {what} of version {version[1]}; PyTorch {torch.__version__} reads up to {version[2]}: "
            "upgrade torch, or save it with an older one"
        )
    if "Detected pickle protocol" in text:
        return InvalidModelError(f"{name} is a plain pickle, which torch.save did not write")
    if re.search(r"central directory|not a ZIP archive|invalid header or archive|file in archive", text):
        return InvalidModelError(f"{name} is no {what[what.find(' ') + 1 :]}, or is cut short or damaged")
    return InvalidModelError(f"{name} can't be loaded as {what} by PyTorch {torch.__version__}: {clean(error)}")


def check_readable(path: Path) -> None:
    """Raise InvalidModelError unless the file can be opened."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InvalidModelError(f"can't read {path.name}: {error.strerror or error}") from None
