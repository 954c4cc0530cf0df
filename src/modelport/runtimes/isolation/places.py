"""The places in which a model's processes run: which are free, and when one that ended is started again."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from modelport.core.deadline import Deadline
from modelport.core.errors import DeadlineExceededError, ModelFailedError, UnavailableError
from modelport.runtimes.isolation.child import Child, Start

_log = logging.getLogger("modelport.models")
#: After this long, or so many answers, a process is no longer one that keeps failing.
_SOUND_SECONDS = 60.0
_SOUND_ANSWERS = 100
_LONGEST_PAUSE = 60.0

State = Literal["free", "busy", "starting", "pausing", "closed"]


@dataclass(slots=True, eq=False)
class Place:
    """Room for one process."""

    number: int
    state: State = "starting"
    child: Child | None = None
    failures: int = 0
    reason: str = ""
    next_start: float = 0.0
    reviver: threading.Thread | None = field(default=None, repr=False)

    @property
    def running(self) -> Child:
        """The process in it."""
        assert self.child is not None
        return self.child


class Places:
    """All places of a model. Thread-safe."""

    def __init__(self, start: Start) -> None:
        """Start all processes. Raises what the first that can't be started raises, with none left."""
        self._start = start
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._places = [Place(number) for number in range(start.options.instances)]
        try:
            for place in self._places:
                place.child = self._started(place)
                place.state = "free"
        except BaseException:
            self.close()
            raise
        self.first = self._places[0].running

    def take(self, deadline: Deadline | None) -> Place:
        """A place with a process, for the caller alone; waits for one that is free or starting.

        Raises DeadlineExceededError where none is free in time, UnavailableError where all wait for their next start.
        """
        with self._changed:
            while True:
                self._check_open()
                place = self._free()
                if place is not None:
                    place.state = "busy"
                    return place
                if all(item.state == "pausing" for item in self._places):
                    raise UnavailableError(self._why_not())
                left = None if deadline is None else deadline.remaining
                if left is not None and left <= 0:
                    raise DeadlineExceededError(
                        f"no process of model {self._start.name!r} was free before the request's deadline"
                    )
                self._changed.wait(left)

    def give(self, place: Place, failure: str = "") -> None:
        """Give a place back; `failure` says why its process has to be another."""
        with self._changed:
            if place.state != "busy":
                return
            if failure or not place.running.alive:
                self._replace(place, failure or place.running.why_ended())
            else:
                place.state = "free"
            self._changed.notify()

    def close(self) -> None:
        """End all processes and wait until they have; nothing of them is left."""
        self._closing.set()
        with self._changed:
            children = [place.child for place in self._places if place.child is not None]
            revivers = [place.reviver for place in self._places if place.reviver is not None]
            for place in self._places:
                place.state, place.child, place.reviver = "closed", None, None
            self._changed.notify_all()
        for child in children:
            child.end()
        for reviver in revivers:
            if reviver is not threading.current_thread():
                reviver.join()

    def _free(self) -> Place | None:
        """A free place whose process lives; the dead are seen to."""
        for place in self._places:
            if place.state == "free":
                if place.running.alive:
                    return place
                self._replace(place, place.running.why_ended())
        return None

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise ModelFailedError(f"the model {self._start.name!r} is closed")

    def _why_not(self) -> str:
        place = min(self._places, key=lambda item: item.next_start)
        wait = max(0.0, place.next_start - time.monotonic())
        return (
            f"model {self._start.name!r} failed {place.failures} times in a row, the last time because its process "
            f"{place.reason}; it is started again in {wait:.0f} s"
        )

    def _replace(self, place: Place, reason: str) -> None:
        """Let a thread start another process in the place. Called with the lock held."""
        child = place.running
        sound = time.monotonic() - child.started > _SOUND_SECONDS or child.answered >= _SOUND_ANSWERS
        place.failures = 1 if sound else place.failures + 1
        place.reason = reason
        place.state = "starting"
        self._pause(place)
        _log.warning("%s: its process %d %s; another is started", self._start.name, child.process.pid, reason)
        place.reviver = threading.Thread(
            target=self._revive, args=(place, child), name=f"modelport-start-{self._start.name}", daemon=True
        )
        place.reviver.start()

    def _pause(self, place: Place) -> None:
        pause = min(_LONGEST_PAUSE, 2.0 ** (place.failures - 2)) if place.failures > 1 else 0.0
        place.next_start = time.monotonic() + pause
        if pause:
            place.state = "pausing"

    def _revive(self, place: Place, old: Child) -> None:
        """Start processes in the place until one loads."""
        old.end(grace=0.0)
        while not self._closing.is_set():
            if self._closing.wait(max(0.0, place.next_start - time.monotonic())):
                return
            with self._changed:
                if place.state == "closed":
                    return
                place.state = "starting"
            try:
                child = self._started(place)
            except Exception as error:  # no descriptors left, say: the next start may find some
                self._failed(place, str(error))
                continue
            if self._settle(place, child):
                return

    def _settle(self, place: Place, child: Child) -> bool:
        """Put a new process in its place; False where it is not the model that it was."""
        with self._changed:
            if place.state != "closed" and child.signature == self.first.signature:
                place.child, place.state, place.reviver = child, "free", None
                self._changed.notify_all()
                return True
            closed = place.state == "closed"
        child.end()
        if not closed:
            self._failed(place, "loaded a model of another signature: its file has changed")
        return closed

    def _failed(self, place: Place, reason: str) -> None:
        _log.warning("%s: its process could not be started again: %s", self._start.name, reason)
        with self._changed:
            if place.state == "closed":
                return
            place.failures += 1
            place.reason = reason
            self._pause(place)
            self._changed.notify_all()

    def _started(self, place: Place) -> Child:
        return Child(self._start, lambda: self._noticed(place))

    def _noticed(self, place: Place) -> None:
        """A process has closed its output: where it ended while nobody used it, start another."""
        if self._closing.is_set():
            return
        with self._changed:
            if place.state == "free" and place.child is not None:
                with suppress(Exception):
                    place.child.process.wait(1.0)
                if not place.child.alive:
                    self._replace(place, place.child.why_ended())
