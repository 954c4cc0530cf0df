"""Recordings as tensors."""

import base64
import io
import json
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_cases import refusal

from modelport.core.errors import InvalidInputError, ModelportError, TooLargeError
from modelport.core.meaning import Audio
from modelport.core.signature import Signature, TensorSpec
from modelport.wire.audio import audio_tensor, read_wav
from modelport.wire.plain import inputs_from_body
from modelport.wire.resampling import resampled

RATE = 16000


def wav(samples, rate=RATE, bits=16):
    """A file as Python's own module writes it; `samples` is [time, channels] of integers."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        wide = samples.astype("<i4")
        raw = (wide + 128).astype(np.uint8) if bits == 8 else wide.view(np.uint8).reshape(-1, 4)[:, : bits // 8]
        file.writeframes(raw.tobytes())
    return buffer.getvalue()


def riff(form, data, *, size=None, extra=b""):
    """A file by its chunks."""
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + extra
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def form(coding, bits, channels=1, rate=RATE):
    return struct.pack("<HHIIHH", coding, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)


def tone(rate, frequency, seconds=1.0, channels=1):
    time = np.arange(int(rate * seconds)) / rate
    return np.repeat(np.sin(2 * np.pi * frequency * time)[:, np.newaxis], channels, axis=1)


def spec(shape=(-1, -1), datatype="FP32", **fields):
    return TensorSpec("sound", datatype, shape, Audio(**{"rate": RATE, **fields}))


def tensor(data, of):
    return audio_tensor(data, of.meaning, of)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_of_all_widths_are_exact(bits):
    high = 2 ** (bits - 1)
    samples = np.array([[0], [high - 1], [-high], [high // 2], [-1]])
    given = tensor(wav(samples, bits=bits), spec(datatype="FP64"))
    assert given.tolist() == (samples.T / high).tolist()


@pytest.mark.parametrize("bits", [32, 64])
def test_floats_are_as_they_are(bits):
    values = np.array([0.25, -1.5, 1e-9]).astype(f"<f{bits // 8}")
    assert tensor(riff(form(3, bits), values.tobytes()), spec(datatype="FP64")).tolist() == [values.tolist()]


def test_the_extensible_form_and_other_chunks():
    inner = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\0" * 14
    file = riff(form(0xFFFE, 16) + inner, struct.pack("<h", 16384), extra=b"LIST" + struct.pack("<I", 3) + b"abc\0")
    assert tensor(file, spec()).tolist() == [[0.5]]


def test_a_file_that_was_written_as_a_stream():
    assert tensor(riff(form(1, 16), struct.pack("<2h", 0, 16384), size=0xFFFFFFFF), spec()).tolist() == [[0, 0.5]]


def test_channels_are_mixed():
    stereo = wav(np.array([[16384, 0], [0, -32768]]))
    assert tensor(stereo, spec()).tolist() == [[0.25, -0.5]]
    both = spec((-1, 2, -1), channels=2, layout="CT")
    assert tensor(stereo, both).tolist() == [[[0.5, 0], [0, -1]]]
    assert tensor(wav(np.array([[16384]])), both).tolist() == [[[0.5], [0.5]]]
    assert tensor(stereo, spec((-1, -1, 2), channels=2, layout="TC")).tolist() == [[[0.5, 0], [0, -1]]]
    with pytest.raises(InvalidInputError, match="has 3 channels; this model takes 2"):
        tensor(wav(np.zeros((4, 3))), both)


def test_lengths_and_datatypes():
    file = wav(np.array([[16384], [-32768], [32767]]))
    assert tensor(file, spec(datatype="INT16", samples=4)).tolist() == [[16384, -32768, 32767, 0]]
    assert tensor(file, spec((-1, 2))).tolist() == [[0.5, -1]]
    assert tensor(file, spec((-1,), "UINT8")).tolist() == [192, 0, 255]
    assert tensor(file, spec(datatype="INT64")).tolist()[0][:2] == [2**62, -(2**63)]


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 16000), (48000, 44100), (16000, 16001)])
def test_tones_are_the_same_at_another_rate(rate, wanted):
    for frequency in (200, 0.44 * min(rate, wanted)):
        given = resampled(tone(rate, frequency, 0.5).T, rate, wanted)[0]
        assert len(given) == -(-rate // 2 * wanted // rate)
        inner = slice(len(given) // 4, -len(given) // 4)
        assert np.abs(given - tone(wanted, frequency, 1).T[0][: len(given)])[inner].max() < 1e-3


def test_what_the_lower_rate_can_not_hold_is_gone():
    given = resampled(tone(44100, 9000).T, 44100, 16000)[0]
    assert np.abs(given[2000:-2000]).max() < 1e-4


def test_a_constant_stays_one_and_an_impulse_keeps_its_place():
    assert np.abs(resampled(np.ones((1, 4000)), 22050, 16000)[0][200:-200] - 1).max() < 1e-3
    impulse = np.zeros((1, 441))
    impulse[0, 220] = 1
    assert np.argmax(resampled(impulse, 44100, 88200)[0]) == 440


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"ID3\4", "not a WAV file"),
        (riff(form(1, 12), b"abc"), "of the coding 1 with 12 bits; send PCM of 8, 16, 24 or 32 bits"),
        (riff(form(0x55, 16), b"abcd"), "of the coding 85 with 16 bits"),
        (riff(form(1, 16, channels=0), b"abcd"), "0 channels at 16000 Hz"),
        (riff(form(1, 16, rate=1), b"abcd"), "1 channels at 1 Hz"),
        (riff(form(1, 16)[:10], b"abcd"), "format is cut short"),
        (riff(form(1, 16), b"abcd", size=400), "cut short: 4 of 400 bytes of samples are there"),
        (riff(form(1, 16), b"abcd")[:40], "cut short: it has no samples"),
        (riff(form(1, 16), b""), "has no samples"),
        (riff(form(3, 32), np.array([np.nan], "<f4").tobytes()), "no finite numbers"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "samples before their format"),
    ],
)
def test_files_that_are_refused(data, says):
    assert says in refusal(tensor, data, spec())


def test_a_recording_that_would_become_too_long():
    quiet = riff(form(1, 8, rate=1000), b"\x80" * 100_000)
    with pytest.raises(TooLargeError, match="lasts 100 s; at 768000 Hz the longest is 44 s"):
        tensor(quiet, spec(rate=768_000))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_read(data):
    whole = bytearray(wav(np.arange(40).reshape(20, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        samples, rate = read_wav(cut)
    except ModelportError:
        return
    assert samples.ndim == 2
    assert rate >= 1000


SIGNATURE = Signature((spec(),), (TensorSpec("y", "FP32", (-1, 2)),))
FILE = wav(np.array([[16384], [0]]))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (FILE, "audio/wav"),
        (FILE, "application/octet-stream"),
        (FILE, ""),
        (json.dumps({"b64": base64.b64encode(FILE).decode()}).encode(), "application/json"),
        (json.dumps({"instances": [{"b64": base64.b64encode(FILE).decode()}]}).encode(), "application/json"),
        (json.dumps({"instances": [{"sound": {"b64": base64.b64encode(FILE).decode()}}]}).encode(), ""),
        (
            b'--x\r\ncontent-disposition: form-data; name="f"; filename="a.wav"\r\n\r\n' + FILE + b"\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"[[0.5, 0]]", "application/json"),
    ],
)
def test_the_ways_to_send_one(body, content_type):
    assert inputs_from_body(body, content_type, SIGNATURE)["sound"].tolist() == [[0.5, 0]]


def test_several_in_one_request():
    def sent(*files):
        return json.dumps({"instances": [{"b64": base64.b64encode(file).decode()} for file in files]}).encode()

    assert inputs_from_body(sent(FILE, FILE), "", SIGNATURE)["sound"].shape == (2, 2)
    assert "are not all of one length" in refusal(inputs_from_body, sent(FILE, wav(np.zeros((5, 1)))), "", SIGNATURE)
    single = Signature((spec((-1,)),), SIGNATURE.outputs)
    assert inputs_from_body(sent(FILE), "", single)["sound"].tolist() == [0.5, 0]
    assert "takes one recording in a request, not 2" in refusal(inputs_from_body, sent(FILE, FILE), "", single)


def test_a_model_that_takes_none():
    other = Signature((TensorSpec("x", "FP32", (-1, 2)),), SIGNATURE.outputs)
    assert "does not take a recording; it takes x FP32 [-1, 2]" in refusal(inputs_from_body, FILE, "audio/wav", other)
