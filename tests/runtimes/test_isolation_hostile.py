"""A process that lies, or talks nonsense: its parent believes nothing, and no other request is harmed."""

import subprocess
import sys

import numpy as np
import pytest
from python_models import DOUBLE, write

from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.isolation import child
from modelport.runtimes.isolation.answers import error_of, loaded_signature, outputs_of
from modelport.runtimes.isolation.messages import Failed, Loaded, Tensor
from modelport.runtimes.isolation.model import load_isolated
from modelport.runtimes.isolation.tensors import BadTensorError, pack, unpack

MEMORY = np.zeros(1 << 16, np.uint8)

LIAR = """
import os, socket, struct, sys
from modelport.runtimes.isolation.channel import Channel
from modelport.runtimes.isolation.messages import *

end = socket.socket(fileno=int(sys.argv[1]))
channel, lie = Channel(end), sys.argv[2]
tensor = {"name": "x", "datatype": "FP32", "shape": [-1]}
loaded = Loaded({"inputs": [tensor], "outputs": [{**tensor, "name": "y"}]}, "python", "python", "a liar", {}, False)
channel.receive()
if lie == "instead of loading":
    channel.send(encode(Result([])))
channel.send(encode(loaded))
channel.receive()
answers = {
    "garbage": b"garbage",
    "nothing": b"",
    "a signature": encode(loaded),
    "the end of a stream": encode(Done()),
    "memory that is not there": encode(Result([Tensor("y", "FP32", [1000000], 4000000, 0)])),
    "another size": encode(Result([Tensor("y", "FP32", [3], 4, -1, b"1234")])),
    "another output": encode(Result([Tensor("z", "FP32", [1], 4, -1, b"1234")])),
    "all of the memory": encode(Need(1 << 62)),
    "less than no memory": encode(Need(-1)),
    "a pickle": b"\\x80\\x04\\x95\\x1c\\x00\\x00\\x00",
}
if lie == "a frame without end":
    end.sendall(struct.pack("<I", 0xFFFFFFFF) + b"x" * 1000)
elif lie == "a descriptor":
    socket.send_fds(end, [b"\\x01\\x00\\x00\\x00\\x01"], [end.fileno()] * 20)
else:
    channel.send(answers[lie])
channel.receive()
"""
LIES = [
    "garbage",
    "nothing",
    "a signature",
    "the end of a stream",
    "memory that is not there",
    "another size",
    "another output",
    "all of the memory",
    "less than no memory",
    "a pickle",
    "a frame without end",
    "a descriptor",
]


def liar(monkeypatch, lie):
    """Start this in place of a model's process."""

    def spawn(_interpreter, end, _threads, _paths):
        return subprocess.Popen(
            [sys.executable, "-c", LIAR, str(end.fileno()), lie],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(end.fileno(),),
            start_new_session=True,
        )

    monkeypatch.setattr(child, "spawn", spawn)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_fails_the_request_and_costs_the_process(tmp_path, monkeypatch, lie):
    file = write(tmp_path, DOUBLE)
    liar(monkeypatch, lie)
    model = load_isolated(file, "python")
    try:
        with pytest.raises(ModelFailedError, match="the process of model 'model' "):
            model.predict({"x": np.zeros(3, np.float32)})
    finally:
        model.close()


def test_a_lie_instead_of_loading(tmp_path, monkeypatch):
    file = write(tmp_path, DOUBLE)
    liar(monkeypatch, "instead of loading")
    with pytest.raises(InvalidModelError, match="sent a Result in place of a Loaded"):
        load_isolated(file, "python")


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("y", "FP31", [1], 4, 0),
        Tensor("y", "FP32", [-1], 4, 0),
        Tensor("y", "FP32", [2], 4, 0),
        Tensor("y", "FP32", [1] * 40, 4, 0),
        Tensor("y", "FP32", [1 << 40, 1 << 40], 4, 0),
        Tensor("y", "FP32", [1], 4, 1 << 16),
        Tensor("y", "FP32", [1], -4, 100),
        Tensor("y", "FP32", [1], 4, -1, b"12345"),
        Tensor("y", "BYTES", [2], 8, -1, b"\xff\xff\xff\xff\x00\x00\x00\x00"),
        Tensor("y", "BYTES", [1 << 60], 8, -1, b"\x00" * 8),
        Tensor("y", "BYTES", [1], 3, -1, b"\x00" * 3),
    ],
)
def test_tensors_that_are_not_what_they_say(tensor):
    with pytest.raises(BadTensorError, match="'y'"):
        unpack([tensor], MEMORY, copy=True)


def test_a_bool_is_true_or_false_whatever_its_byte_says():
    (array,) = unpack([Tensor("y", "BOOL", [3], 3, -1, b"\x00\x02\xff")], None, copy=True).values()
    assert array.tolist() == [False, True, True]
    assert array.view(np.uint8).tolist() == [0, 1, 1]


def test_arrays_of_every_kind_go_there_and_back():
    arrays = {
        "numbers": np.arange(6, dtype=np.float16).reshape(2, 3),
        "turned": np.arange(6, dtype=np.int64).reshape(2, 3).T,
        "scalar": np.array(5, np.uint8),
        "empty": np.zeros((0, 4)),
        "bools": np.array([True, False]),
        "texts": np.array([[b"a", b""], [b"\xff" * 300, b"b"]], np.object_),
        "no texts": np.zeros((2, 0), np.object_),
    }
    large = {**arrays, "large": np.arange(10_000.0)}
    memory = np.zeros(1 << 18, np.uint8)
    for given in (arrays, large):
        tensors = pack(given, lambda _size: memory)
        assert all((tensor.offset < 0) == (given is arrays) for tensor in tensors if tensor.size)
        back = unpack(tensors, memory, copy=True)
        for name, array in given.items():
            assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
            assert back[name].tolist() == array.tolist()


def test_outputs_must_fit_the_signature():
    signature = Signature((), (TensorSpec("y", "FP32", (-1, 2)),))
    tensor = Tensor("y", "FP32", [2], 8, -1, b"12345678")
    with pytest.raises(ModelFailedError, match=r"output 'y' as float32 \[2\], but it says y FP32 \[-1, 2\]"):
        outputs_of([tensor], None, signature, None)
    with pytest.raises(BadTensorError, match="twice"):
        outputs_of([tensor, tensor], None, signature, None)


@pytest.mark.parametrize(
    "signature",
    [
        {},
        {"inputs": [{}], "outputs": []},
        {"inputs": 3, "outputs": []},
        {"inputs": [{"name": "x", "datatype": "OBJECT", "shape": [1]}], "outputs": []},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-5]}], "outputs": []},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["a"]}], "outputs": []},
        {"inputs": [{"name": 4, "datatype": "FP32", "shape": [1]}], "outputs": []},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "meaning": {"kind": "?"}}], "outputs": []},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1]}] * 2, "outputs": []},
    ],
)
def test_signatures_that_are_none(signature):
    with pytest.raises(InvalidModelError, match="describes no signature"):
        loaded_signature(Loaded(signature, "f", "p", "w", {}, False), "model.py")


def test_errors_of_no_known_kind_are_the_models():
    assert isinstance(error_of(Failed("nonsense", "text")), ModelFailedError)
