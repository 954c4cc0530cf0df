"""The process that a model lives in: `python -m modelport.runtimes.isolation.worker SOCKET PARENT`.

It loads one model and answers one request at a time, until its parent closes the socket or is gone.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modelport.core.datatypes import Array, bytes_array
from modelport.core.description import signature_to_dict
from modelport.core.errors import Kind, ModelportError
from modelport.core.runtime import LoadedModel, StreamingModel
from modelport.runtimes.catalog import runtime_for
from modelport.runtimes.isolation.channel import Channel, EndedError
from modelport.runtimes.isolation.messages import (
    Done,
    Failed,
    Go,
    Load,
    Loaded,
    Need,
    Predict,
    Region,
    Result,
    Stop,
    ToChild,
    ToParent,
    encode,
    read_to_child,
    spec_from_document,
)
from modelport.runtimes.isolation.region import SharedRegion
from modelport.runtimes.isolation.tensors import pack, unpack

_PR_SET_PDEATHSIG = 1
_LONGEST_TEXT = 20_000


class Worker:
    """Answers what comes over the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._regions: dict[str, SharedRegion] = {}
        self._memory = 0

    def run(self) -> int:
        """Load, then answer until the parent is gone; gives the exit status."""
        first = self._receive()
        assert isinstance(first, Load)
        model = self._loaded(first)
        if model is None:
            return 1
        try:
            while True:
                self._take(self._receive(), model)
        except EndedError:
            model.close()
            return 0

    def _loaded(self, load: Load) -> LoadedModel | None:
        self._memory = load.memory
        try:
            limit_memory(load.memory)
            model = runtime_for(load.format).load(Path(load.path), spec_from_document(load.spec))
        except Exception as error:
            self._send(self._failure(error, Kind.INVALID_MODEL, f"{Path(load.path).name} can't be loaded: "))
            return None
        info, streams = model.info, isinstance(model, StreamingModel)
        signature = signature_to_dict(model.signature)
        self._send(Loaded(signature, info.format, info.platform, info.framework, info.properties, streams))
        return model

    def _take(self, message: ToChild, model: LoadedModel) -> None:
        if isinstance(message, Region):
            self._map(message)
        elif isinstance(message, Predict):
            self._answer(message, model)

    def _answer(self, message: Predict, model: LoadedModel) -> None:
        view, lent = self._regions["in"].read_only() if "in" in self._regions else (None, lambda: None)
        try:
            reply: Result | Done | Failed = self._reply(message, model, view)
        except EndedError:
            raise
        except Exception as error:
            reply = self._failure(error, Kind.MODEL_FAILED)
        del view
        if lent() is not None:  # an array of the request lives on in the model: its memory can't be written again
            reply.kept = True
            self._regions.pop("in").close()
        self._send(reply)

    def _reply(self, message: Predict, model: LoadedModel, view: Array | None) -> Result | Done:
        inputs = unpack(message.tensors, view, copy=False)
        outputs = None if message.outputs is None else tuple(message.outputs)
        if message.stream:
            assert isinstance(model, StreamingModel)
            self._stream(iter(model.stream(inputs, outputs)))
            return Done()
        return Result(self._packed(model.predict(inputs, outputs)))

    def _stream(self, responses: Iterator[dict[str, Array]]) -> None:
        """Send a response for each time that the parent asks for one."""
        try:
            while isinstance(self._receive_in_stream(), Go):
                response = next(responses, None)
                if response is None:
                    return
                self._send(Result(self._packed(response)))
        finally:
            close = getattr(responses, "close", None)
            if close is not None:
                close()

    def _receive_in_stream(self) -> Go | Stop:
        while True:
            message = self._receive()
            if isinstance(message, Go | Stop):
                return message
            assert isinstance(message, Region)
            self._map(message)

    def _packed(self, arrays: dict[str, Array]) -> list[Any]:
        return pack({name: _sendable(np.asarray(array)) for name, array in arrays.items()}, self._room)

    def _room(self, size: int) -> Array:
        region = self._regions.get("out")
        while region is None or region.size < size:
            self._send(Need(size))
            message = self._receive()
            assert isinstance(message, Region)
            region = self._map(message)
        return region.bytes

    def _map(self, message: Region) -> SharedRegion:
        descriptor = self._channel.descriptors.popleft()
        old = self._regions.pop(message.way, None)
        if old is not None:
            old.close()
        try:
            region = self._regions[message.way] = SharedRegion(descriptor, message.size)
        finally:
            os.close(descriptor)
        return region

    def _failure(self, error: Exception, otherwise: Kind, where: str = "") -> Failed:
        """An error for the parent. What the model itself raised is written out, for its log."""
        if isinstance(error, ModelportError):
            return Failed(error.kind, str(error)[:_LONGEST_TEXT])
        text = f"{where}{type(error).__name__}: {error}"
        if isinstance(error, MemoryError) and self._memory:
            text = f"{where}it takes more memory than the {self._memory >> 20} MiB that [process] memory_mb allows"
            otherwise = Kind.OUT_OF_RESOURCES if where else otherwise
        traceback.print_exception(error)
        return Failed(otherwise, text[:_LONGEST_TEXT])

    def _send(self, message: ToParent) -> None:
        self._channel.send(encode(message))

    def _receive(self) -> ToChild:
        message: ToChild = read_to_child(self._channel.receive())
        return message


def limit_memory(size: int) -> None:
    """Let this process have no more than so many bytes of its own; what it shares with its parent does not count."""
    if size:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def die_with(parent: int) -> None:
    """End this process when the one that started it ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before that was set
        os._exit(1)


def _sendable(array: Array) -> Array:
    return bytes_array(array) if array.dtype.kind in "SUO" else array


def main(arguments: list[str]) -> int:
    """Run until the parent is gone."""
    descriptor, parent = int(arguments[0]), int(arguments[1])
    die_with(parent)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    channel = Channel(end)
    try:
        return Worker(channel).run()
    except EndedError:
        return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.exit(status)
