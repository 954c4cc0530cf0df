"""A WAV file as the tensor that a model takes: decoded, mixed to its channels, at its rate and length.

Sources of the format: Microsoft's "Multiple channel audio data and WAVE files" and the RIFF chunks that it builds on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelport.core.datatypes import DTYPES, INTEGERS, Array, integer_range
from modelport.core.errors import InvalidInputError, TooLargeError
from modelport.core.meaning import Audio
from modelport.core.signature import TensorSpec
from modelport.wire.resampling import resampled

#: More samples than this in all channels are refused before they are computed: at 16 kHz, more than half an hour.
LARGEST = 1 << 25
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_RATES = range(1000, 768_001)
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)

#: [channels, time] in −1…1.
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Format:
    coding: int
    channels: int
    rate: int
    bits: int


def is_wav(data: bytes) -> bool:
    """Whether it begins as a WAV file does."""
    return data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE"


def audio_tensor(data: bytes, meaning: Audio, spec: TensorSpec) -> Array:
    """A tensor of one row (of none, where the tensor has no axis for a batch) in the datatype of `spec`.

    Raises InvalidInputError for what is no WAV file that can be read, TooLargeError for one that is too long.
    """
    samples, rate = read_wav(data)
    _check_length(samples, rate, meaning)
    samples = resampled(_mixed(samples, meaning.channels), rate, meaning.rate)
    samples = _cut(samples, meaning.samples or _fixed_length(meaning, spec))
    made = _laid_out(_in_datatype(samples, spec.datatype), meaning.layout)
    return np.ascontiguousarray(made if _has_no_batch(meaning, spec) else made[np.newaxis])


def read_wav(data: bytes) -> tuple[Samples, int]:
    """The samples of every channel, and how many there are in a second. Raises InvalidInputError."""
    if not is_wav(data):
        raise InvalidInputError("the file is not a WAV file (audio/wav), which is what this model takes")
    form: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if name == b"fmt ":
            form = _format(body)
        elif name == b"data":
            if form is None:
                raise InvalidInputError("the WAV file has its samples before their format")
            if length in _UNKNOWN_LENGTHS:  # written as a stream: to the end
                body = data[at + 8 :]
            elif len(body) < length:
                raise InvalidInputError(
                    f"the WAV file is cut short: {len(body)} of {length} bytes of samples are there"
                )
            return _decoded(body, form), form.rate
        at += 8 + length + length % 2
    raise InvalidInputError("the WAV file is cut short: it has no samples")


def _format(body: bytes) -> _Format:
    if len(body) < 16:
        raise InvalidInputError("the WAV file's format is cut short")
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if coding == _EXTENSIBLE and len(body) >= 26:
        coding = struct.unpack_from("<H", body, 24)[0]
    if (coding, bits) not in {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}:
        raise InvalidInputError(
            f"the WAV file's samples are of the coding {coding} with {bits} bits; "
            "send PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64 bits"
        )
    if not 1 <= channels <= 64 or rate not in _RATES:
        raise InvalidInputError(
            f"the WAV file has {channels} channels at {rate} Hz; 1 to 64 at {_RATES[0]} to {_RATES[-1]} Hz are read"
        )
    return _Format(coding, channels, rate, bits)


def _decoded(body: bytes, form: _Format) -> Samples:
    frame = form.channels * form.bits // 8
    body = body[: len(body) // frame * frame]
    if not body:
        raise InvalidInputError("the WAV file has no samples")
    if form.coding == _FLOAT:
        samples = np.frombuffer(body, f"<f{form.bits // 8}").astype(np.float64)
        if not np.isfinite(samples).all():
            raise InvalidInputError("the WAV file has samples that are no finite numbers")
    elif form.bits == 8:  # the only one without a sign
        samples = (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    elif form.bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0] / 2.0**31
    else:
        samples = np.frombuffer(body, f"<i{form.bits // 8}") / 2.0 ** (form.bits - 1)
    return samples.reshape(-1, form.channels).T


def _check_length(samples: Samples, rate: int, meaning: Audio) -> None:
    longest = max(samples.size, samples.shape[1] * meaning.rate // rate * meaning.channels)
    if longest > LARGEST:
        seconds = LARGEST / meaning.rate / meaning.channels
        raise TooLargeError(
            f"the recording lasts {samples.shape[1] / rate:.0f} s; at {meaning.rate} Hz the longest is {seconds:.0f} s"
        )


def _mixed(samples: Samples, channels: int) -> Samples:
    """In as many channels as the model takes: the mean of all for one, a single one twice for two."""
    if len(samples) == channels:
        return samples
    if channels == 1:
        mean: Samples = samples.mean(axis=0, keepdims=True)
        return mean
    if len(samples) == 1:
        return np.repeat(samples, channels, axis=0)
    raise InvalidInputError(f"the WAV file has {len(samples)} channels; this model takes {channels} (or one, for both)")


def _fixed_length(meaning: Audio, spec: TensorSpec) -> int:
    """The length of the tensor's axis of time; 0 where any will do."""
    if spec.shape is None:
        return 0
    return max(spec.shape[meaning.layout.index("T") - len(meaning.layout)], 0)


def _cut(samples: Samples, length: int) -> Samples:
    if not length:
        return samples
    return np.pad(samples[:, :length], ((0, 0), (0, max(length - samples.shape[1], 0))))


def _in_datatype(samples: Samples, datatype: str) -> Array:
    """Floats as they are, within −1…1 as recordings are; integers in their whole range."""
    if datatype not in INTEGERS:
        return samples.astype(DTYPES[datatype])
    low, high = integer_range(datatype)
    above = high + 1.0
    scaled: Samples = np.rint(samples * (above - low) / 2 + (above + low) / 2)
    made: Array = scaled.clip(low, np.nextafter(above, 0)).astype(DTYPES[datatype])
    return made


def _laid_out(samples: Array, layout: str) -> Array:
    if layout == "T":
        row: Array = samples[0]
        return row
    return samples if layout == "CT" else samples.T


def _has_no_batch(meaning: Audio, spec: TensorSpec) -> bool:
    return spec.shape is not None and len(spec.shape) == len(meaning.layout)
