"""A model's running process, as its parent sees it: used by one thread at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from modelport.core.datatypes import Array
from modelport.core.errors import (
    InvalidModelError,
    Kind,
    ModelFailedError,
    UnavailableError,
)
from modelport.core.runtime import LoadSpec
from modelport.core.signature import Signature
from modelport.runtimes.isolation.answers import error_of, loaded_signature, outputs_of
from modelport.runtimes.isolation.channel import Channel, EndedError, LateError
from modelport.runtimes.isolation.messages import (
    Done,
    Failed,
    Go,
    Loaded,
    Need,
    Predict,
    Region,
    Result,
    Stop,
    ToChild,
    ToParent,
    encode,
    load_message,
    read_to_parent,
)
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.isolation.output import Output
from modelport.runtimes.isolation.region import SharedRegion
from modelport.runtimes.isolation.spawning import spawn
from modelport.runtimes.isolation.tensors import BadTensorError, pack

#: The most shared memory for one request's arrays, and for one result's.
LARGEST_REGION = 16 << 30
#: How long a process may take to end by itself, and then after SIGTERM.
_GRACE = 1.0
_STOP_SECONDS = 5.0
_M = TypeVar("_M", bound=ToParent)


class BrokenError(Exception):
    """The process has ended, or has to: `text` says why. The request that ran in it has failed."""


@dataclass(frozen=True, slots=True)
class Start:
    """All that it takes to start a process of a model."""

    name: str
    path: Path
    format: str
    spec: LoadSpec
    options: ProcessOptions
    interpreter: str
    paths: tuple[Path, ...] = ()


class Child:
    """The process. `loaded` and `signature` are what it said about the model."""

    def __init__(self, start: Start, on_end: Callable[[], None]) -> None:
        """Start it and load the model. Raises what the runtime raised, or UnavailableError where it does not start."""
        self._name = start.name
        self._regions: dict[str, SharedRegion] = {}
        self._ended = self._gone = False
        self._ending = threading.RLock()
        self.answered = 0
        self.started = time.monotonic()
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        try:
            self.process = spawn(start.interpreter, theirs, start.spec.threads, start.paths)
        except OSError as error:
            self._channel.close()
            raise UnavailableError(f"a process for model {start.name!r} can't be started: {error}") from None
        finally:
            theirs.close()
        self._output = Output(start.name, self.process, on_end)
        try:
            self.loaded, self.signature = self._load(start)
        except BaseException:
            self.end(grace=0.0)
            raise

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return not self._ended and self.process.poll() is None

    def predict(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, until: float | None
    ) -> dict[str, Array]:
        """Run the model once. Raises what it raised; BrokenError where the process ends, LateError past `until`."""
        self._begin(inputs, outputs, stream=False)
        reply = self._answer(until)
        self._forget(reply)
        if isinstance(reply, Failed):
            raise error_of(reply)
        given = self._outputs(self._expect(reply, Result), outputs)
        self.answered += 1
        return given

    def stream(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, until: Callable[[], float | None]
    ) -> Iterator[dict[str, Array]]:
        """The model's responses; `until` is asked how long to wait for the next one. Raises as `predict`.

        Closing the iterator ends the work; BrokenError where the model does not let itself be ended.
        """
        self._begin(inputs, outputs, stream=True)
        running = True
        try:
            while running:
                self._send(Go())
                reply = self._answer(until())
                running = isinstance(reply, Result)
                if isinstance(reply, Result):
                    yield self._outputs(reply, outputs)
        except GeneratorExit:
            self._stop()
            raise
        self._forget(reply)
        if isinstance(reply, Failed):
            raise error_of(reply)
        self._expect(reply, Done)
        self.answered += 1

    def end(self, grace: float = _GRACE) -> None:
        """End the process and all that it started; wait for it, and give back what was held for it."""
        self._ended = True
        with self._ending:
            self._end(grace)

    def _end(self, grace: float) -> None:
        if self._gone:
            return
        self._channel.close()  # one that is idle ends by itself
        for number, seconds in ((None, grace), (signal.SIGTERM, grace), (signal.SIGKILL, 60.0)):
            if number is not None:
                self._kill(number)
            if seconds and self._waited(seconds):
                break
        self._kill(signal.SIGKILL)  # its own children, in its group
        self._output.close()
        for region in self._regions.values():
            region.close()
        self._regions.clear()
        self._gone = True

    def why_ended(self) -> str:
        """How the process ended, in words; ends it where it has not yet."""
        if not self._waited(_GRACE):
            self.end(grace=0.0)
            return "stopped answering and was ended"
        self._output.wait(_GRACE)
        return exit_text(self.process.returncode)

    def _load(self, start: Start) -> tuple[Loaded, Signature]:
        seconds = start.options.start_seconds
        message = load_message(start.path, start.format, start.name, start.spec, start.options.memory_mb << 20)
        try:
            self._send(message)
            reply = self._receive(time.monotonic() + seconds if seconds else None)
            loaded = reply if isinstance(reply, Failed) else self._expect(reply, Loaded)
        except LateError:
            raise UnavailableError(
                f"the process of model {start.name!r} did not load it within {seconds:g} s; "
                "start_seconds in [process] allows more"
            ) from None
        except BrokenError as error:
            tail = self._output.tail()
            raise InvalidModelError(
                f"{start.path.name} can't be loaded: its process {error}" + (f"\n{tail}" if tail else "")
            ) from None
        if isinstance(loaded, Failed):
            raise error_of(loaded, Kind.INVALID_MODEL)
        return loaded, loaded_signature(loaded, start.path.name)

    def _begin(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, stream: bool) -> None:
        tensors = pack(inputs, lambda size: self._region("in", size))
        self._send(Predict(tensors, None if outputs is None else list(outputs), stream))

    def _outputs(self, result: Result, wanted: tuple[str, ...] | None) -> dict[str, Array]:
        region = self._regions.get("out")
        try:
            return outputs_of(result.tensors, None if region is None else region.bytes, self.signature, wanted)
        except BadTensorError as error:
            raise BrokenError(f"gave a result that is none: {error}") from None

    def _answer(self, until: float | None) -> ToParent:
        """The next message that is not about memory."""
        reply = self._receive(until)
        while isinstance(reply, Need):
            try:
                self._region("out", reply.size)
            except ModelFailedError as error:
                raise BrokenError(f"got {error}") from None
            reply = self._receive(until)
        return reply

    def _stop(self) -> None:
        """Tell a stream to stop, and wait until it has; what does not is ended."""
        try:
            self._send(Stop())
            self._forget(self._receive(time.monotonic() + _STOP_SECONDS))
        except (LateError, BrokenError):
            self.end(grace=0.0)

    def _forget(self, reply: ToParent) -> None:
        """Leave memory that the model still looks at to the model."""
        if getattr(reply, "kept", False):
            region = self._regions.pop("in", None)
            if region is not None:
                region.close()

    def _region(self, way: str, size: int) -> Array:
        region = self._regions.get(way)
        if region is not None and region.size >= size:
            return region.bytes
        if not 0 <= size <= LARGEST_REGION:
            raise BrokenError(f"asked for {size} bytes of shared memory; {LARGEST_REGION >> 30} GiB is the most")
        if region is not None:
            self._regions.pop(way).close()
        try:
            region, descriptor = SharedRegion.make(size)
        except OSError as error:
            raise ModelFailedError(f"no shared memory of {size} bytes for model {self._name!r}: {error}") from None
        self._regions[way] = region
        try:
            self._send(Region("in" if way == "in" else "out", region.size), descriptor)
        finally:
            os.close(descriptor)
        return region.bytes

    def _send(self, message: ToChild, descriptor: int | None = None) -> None:
        try:
            self._channel.send(encode(message), descriptor)
        except EndedError:
            raise BrokenError(self.why_ended()) from None

    def _receive(self, until: float | None) -> ToParent:
        try:
            message: ToParent = read_to_parent(self._channel.receive_until(until, lambda: self.alive))
        except EndedError:
            raise BrokenError(self.why_ended()) from None
        except msgspec.MsgspecError:
            raise BrokenError("sent what is no message") from None
        return message

    def _expect(self, message: ToParent, kind: type[_M]) -> _M:
        if not isinstance(message, kind):
            raise BrokenError(f"sent a {type(message).__name__} in place of a {kind.__name__}")
        return message

    def _waited(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _kill(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def exit_text(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " (out of memory, perhaps)" if -status == signal.SIGKILL else ""
    return f"was ended by {name}{hint}"
