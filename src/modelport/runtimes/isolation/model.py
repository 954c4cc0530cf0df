"""A model in processes of its own, as the engine sees it; and their restarts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from modelport.core.datatypes import Array
from modelport.core.deadline import Deadline
from modelport.core.errors import DeadlineExceededError, ModelFailedError, ModelportError
from modelport.core.runtime import LoadSpec, ModelInfo
from modelport.runtimes.isolation.channel import LateError
from modelport.runtimes.isolation.child import BrokenError, Start
from modelport.runtimes.isolation.environments import interpreter_for
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.isolation.places import Places

Arrays = dict[str, Array]


class IsolatedModel:
    """A LoadedModel and InterruptibleModel whose predictions run in other processes. Thread-safe.

    A process that ends fails the request that ran in it, with a ModelFailedError that says how it ended, and is started
    again. A prediction that takes too long is cut: its process is killed, and started again.
    """

    def __init__(self, start: Start, places: Places) -> None:
        loaded = places.first.loaded
        self.signature = places.first.signature
        self.info = ModelInfo(loaded.format, loaded.platform, loaded.framework, dict(loaded.properties))
        self._start = start
        self._places = places

    def predict(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Arrays:
        """As `predict_until`, for as long as `timeout_seconds` of the process's options allows."""
        return self.predict_until(inputs, outputs, None)

    def predict_until(self, inputs: Arrays, outputs: tuple[str, ...] | None, deadline: Deadline | None) -> Arrays:
        """Run the model; see `InterruptibleModel`.

        Raises also UnavailableError while the model's processes wait for their next start after many failures.
        """
        if outputs is not None:
            self.signature.check_outputs(outputs)
        place = self._places.take(deadline)
        child, failure = place.running, ""
        try:
            if deadline is not None:
                deadline.check()
            return child.predict(inputs, outputs, self._until(deadline))
        except BrokenError as error:
            failure = str(error)
            raise ModelFailedError(self._broken(failure)) from None
        except LateError:
            failure = "took too long"
            raise DeadlineExceededError(self._late(deadline)) from None
        except ModelportError:
            raise
        except BaseException as error:  # what was sent and not answered would be taken for the next one's answer
            failure = f"was left by its caller ({type(error).__name__})"
            raise
        finally:
            self._places.give(place, failure)

    def close(self) -> None:
        """End the processes. Predictions that run meanwhile fail."""
        self._places.close()

    def _until(self, deadline: Deadline | None) -> float | None:
        limit = self._start.options.timeout_seconds
        moments = [time.monotonic() + limit] if limit > 0 else []
        if deadline is not None:
            moments.append(deadline.at)
        return min(moments, default=None)

    def _broken(self, how: str) -> str:
        return f"the process of model {self._start.name!r} {how} while it predicted; it is started again"

    def _late(self, deadline: Deadline | None) -> str:
        limit = self._start.options.timeout_seconds
        if deadline is not None and deadline.remaining <= 0:
            reason = "was not ready before the request's deadline"
        else:
            reason = f"took longer than the {limit:g} s that timeout_seconds in [process] allows"
        return f"the answer of model {self._start.name!r} {reason}; its process was ended and is started again"


class IsolatedStreamingModel(IsolatedModel):
    """An isolated model that gives several responses to a request."""

    def stream(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Iterator[Arrays]:
        """The responses; see `StreamingModel`. The process is the caller's until the iterator ends or is closed."""
        return self.stream_until(inputs, outputs, None)

    def stream_until(
        self, inputs: Arrays, outputs: tuple[str, ...] | None, deadline: Deadline | None
    ) -> Iterator[Arrays]:
        """As `stream`; raises DeadlineExceededError soon after the deadline has passed, whatever the model does."""
        if outputs is not None:
            self.signature.check_outputs(outputs)
        place = self._places.take(deadline)
        failure = "was left by its caller"
        try:
            yield from place.running.stream(inputs, outputs, lambda: self._until(deadline))
            failure = ""
        except GeneratorExit:
            failure = ""
            raise
        except BrokenError as error:
            failure = str(error)
            raise ModelFailedError(self._broken(failure)) from None
        except LateError:
            failure = "took too long"
            raise DeadlineExceededError(self._late(deadline)) from None
        except ModelportError:
            failure = ""
            raise
        finally:
            self._places.give(place, failure)


def load_isolated(
    path: Path,
    format: str,  # noqa: A002 - the word of the field
    spec: LoadSpec | None = None,
    options: ProcessOptions | None = None,
    name: str = "",
) -> IsolatedModel:
    """Load a model in processes of its own, as the runtime of its format does there; `name` is for logs and errors.

    Raises what the runtime raises, and UnavailableError where a process does not start in time.
    """
    spec, options, name = spec or LoadSpec(), options or ProcessOptions(), name or path.stem
    interpreter, paths = interpreter_for(path, format, options)
    start = Start(name, path.absolute(), format, spec, _checked(options), interpreter, paths)
    places = Places(start)
    kind = IsolatedStreamingModel if places.first.loaded.streams else IsolatedModel
    return kind(start, places)


def _checked(options: ProcessOptions) -> ProcessOptions:
    return replace(options, instances=max(1, options.instances))
