"""Files that stand for one row of an input: pictures and recordings, by what the input means."""

from __future__ import annotations

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.meaning import Audio, Image
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.audio import audio_tensor, is_wav
from modelport.wire.pictures import picture_tensor

#: What an input of a kind takes, in words and as Content-Types.
_WORDS: dict[str, str] = {"image": "a picture", "audio": "a recording"}


def takes_files(spec: TensorSpec) -> bool:
    """Whether a file can stand for a row of this input."""
    return isinstance(spec.meaning, Image | Audio)


def file_tensor(data: bytes, spec: TensorSpec) -> Array:
    """The tensor of one row that a file means to an input of files. Raises InvalidInputError or TooLargeError."""
    if isinstance(spec.meaning, Audio):
        return audio_tensor(data, spec.meaning, spec)
    assert isinstance(spec.meaning, Image)
    return picture_tensor(data, spec.meaning, spec)


def files_tensor(files: list[bytes], spec: TensorSpec) -> Array:
    """The tensor with a row for each file. Raises InvalidInputError where they do not fit beside each other."""
    tensors = [file_tensor(data, spec) for data in files]
    if len(tensors) == 1:
        return tensors[0]
    if isinstance(spec.meaning, Audio) and spec.shape is not None and len(spec.shape) == len(spec.meaning.layout):
        raise InvalidInputError(f"input {spec.name!r} takes one recording in a request, not {len(files)}")
    if len({tensor.shape for tensor in tensors}) > 1:
        raise InvalidInputError(
            f"the recordings of input {spec.name!r} are not all of one length: send each in a request of its own "
            "(or set 'samples' in the model's signature, to which they are cut or filled)"
        )
    return np.concatenate(tensors)


def kind_by_content(body: bytes) -> str:
    """`image` or `audio` by the first bytes, for clients that name no type (`curl --data-binary`); else empty."""
    if body[:8] == b"\x89PNG\r\n\x1a\n" or body[:3] == b"\xff\xd8\xff" or (body[:4], body[8:12]) == (b"RIFF", b"WEBP"):
        return "image"
    return "audio" if is_wav(body) else ""


def file_input(kind: str, signature: Signature) -> TensorSpec:
    """The first input of that kind. Raises InvalidInputError where the model has none."""
    for spec in signature.inputs:
        if spec.meaning is not None and spec.meaning.kind == kind:
            return spec
    wanted = "; ".join(spec.describe() for spec in signature.inputs)
    raise InvalidInputError(f"this model does not take {_WORDS[kind]}; it takes {wanted}")
