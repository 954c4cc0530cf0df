"""What a TFLite file says besides its graph: its format, and the lists of labels that are packed behind it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Labels, Probabilities
from modelport.core.signature import TensorSpec

_LARGEST_LIST = 4 << 20


def read_tflite(path: Path) -> bytes:
    """The file's bytes. Raises InvalidModelError where they are of another format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    if not content:
        raise InvalidModelError(f"{path.name} is empty (0 bytes), not a TensorFlow Lite model")
    if content[4:8] != b"TFL3":
        raise InvalidModelError(
            f"{path.name} is not a TensorFlow Lite model: its bytes 4 to 7 are {content[4:8]!r}, not b'TFL3'"
        )
    return content


def packed_labels(content: bytes) -> list[tuple[str, ...]]:
    """The lists of labels among the files that are packed behind the model (TFLite's "associated files")."""
    lists = []
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for item in archive.infolist():
                if "label" in item.filename.lower() and 0 < item.file_size <= _LARGEST_LIST:
                    lines = archive.read(item).decode("utf-8").splitlines()
                    lists.append(tuple(line.strip() for line in lines if line.strip()))
    except (zipfile.BadZipFile, UnicodeDecodeError, RuntimeError, NotImplementedError, ValueError, OSError):
        return lists
    return lists


def meaning_of(spec: TensorSpec, lists: list[tuple[str, ...]], alone: bool) -> Labels | Probabilities | None:
    """What an output means whose last axis is as long as a list of labels; `alone` where there is no other output."""
    shape = spec.shape or ()
    for labels in lists:
        if len(shape) == 2 and shape[1] == len(labels):
            return Probabilities(labels)
    whole = shape in ((-1,), (1,)) and spec.datatype in ("INT32", "INT64")
    return Labels(lists[0]) if whole and alone and len(lists) == 1 else None
