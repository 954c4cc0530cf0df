"""Models written in Python: a class with a method `predict`.

The method may be sync or async, or a generator (sync or async) where it gives several responses to a request. One call
runs at a time: a model that is to answer several requests at once runs in several processes (`instances`).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import platform
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError, ModelportError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Shape
from modelport.runtimes.python.signature import Call, call_of
from modelport.runtimes.python.source import failure_place, model_class, source_file
from modelport.runtimes.python.values import argument, named, output

_log = logging.getLogger(__name__)
_OPTIONS = ("class",)
Arrays = dict[str, Array]


class PythonRuntime:
    """Loads Python files with a class that has `predict`, or folders with such a `model.py`. Loading runs the file."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Make the model's object, and call its `load(folder)` where it has one.

        `spec.options` are `class`, the name of the class. Raises InvalidModelError saying what is wrong with the file,
        or what to declare beside it.
        """
        for name in spec.options:
            if name not in _OPTIONS:
                raise InvalidInputError(
                    f"unknown option {name!r}{did_you_mean(name, _OPTIONS)}; Python models take {', '.join(_OPTIONS)}"
                )
        file = source_file(path)
        owner = model_class(file, spec.options.get("class", ""))
        call = call_of(owner, file.name, spec.inputs, spec.outputs)
        runner = asyncio.Runner()
        try:
            made = _made(owner, file, runner)
        except BaseException:
            runner.close()
            raise
        return (PythonStreamingModel if call.streams else PythonModel)(made, call, runner, file)


class PythonModel:
    """A model in Python. Thread-safe: its methods are called one at a time."""

    def __init__(self, made: Any, call: Call, runner: asyncio.Runner, file: Path) -> None:
        self.signature = call.signature
        self.info = ModelInfo("python", "python", f"Python {platform.python_version()}", _properties(made))
        self._made = made
        self._call = call
        self._runner = runner
        self._file = file
        self._lock = threading.Lock()
        self._closed = False

    def predict(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Arrays:
        """Run the model; see `LoadedModel.predict`."""
        self._check(inputs, outputs)
        with self._lock:
            if self._call.rows:
                given = self._by_rows(inputs)
            else:
                given = self._arrays(self._run(self._arguments(inputs)), inputs, rows=False)
        return given if outputs is None else {name: given[name] for name in outputs}

    def close(self) -> None:
        """Call the model's own `close`, where it has one."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            close = getattr(self._made, "close", None)
            try:
                if callable(close):
                    _awaited(close(), self._runner)
            except Exception:
                _log.exception("closing the model failed")
            self._runner.close()

    def _check(self, inputs: Arrays, outputs: tuple[str, ...] | None) -> None:
        if self._closed:
            raise ModelFailedError("the model is closed")
        self.signature.check_inputs(inputs)
        if outputs is not None:
            self.signature.check_outputs(outputs)

    def _arguments(self, inputs: Arrays) -> dict[str, Any]:
        """What to call `predict` with."""
        signature, forms = self.signature, self._call.inputs
        values = {name: argument(array, signature.input(name), forms[name]) for name, array in inputs.items()}
        return {self._call.whole: values} if self._call.whole else values

    def _run(self, arguments: dict[str, Any]) -> Any:
        try:
            return _awaited(self._made.predict(**arguments), self._runner)
        except (ModelportError, MemoryError):
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ModelFailedError:
        _log.error("predict failed", exc_info=error)
        return ModelFailedError(f"{type(error).__name__}: {error}{failure_place(error, self._file.absolute())}")

    def _by_rows(self, inputs: Arrays) -> Arrays:
        """Call `predict` for each row, and put the rows of the results together."""
        count = _row_count(inputs)
        results = []
        for index in range(count):
            row = _row(inputs, index)
            results.append(self._arrays(self._run(self._arguments(row)), row, rows=True))
        return {spec.name: _joined([item[spec.name] for item in results], spec) for spec in self.signature.outputs}

    def _arrays(self, result: Any, inputs: Arrays, rows: bool) -> Arrays:
        names = [spec.name for spec in self.signature.outputs]
        values = named(result, names)
        arrays = {}
        for spec in self.signature.outputs:
            array = output(_row_value(values[spec.name], spec.shape, rows), spec, _row_shape(spec.shape, rows))
            shared = any(np.may_share_memory(array, given) for given in inputs.values())
            arrays[spec.name] = array.copy() if shared else array
        return arrays


class PythonStreamingModel(PythonModel):
    """A model whose `predict` is a generator. A request has one row where the method takes rows."""

    def predict(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Arrays:
        """The last response of the stream."""
        last = deque(self.stream(inputs, outputs), maxlen=1)
        if not last:
            raise ModelFailedError("the model gave no response")
        return last[0]

    def stream(self, inputs: Arrays, outputs: tuple[str, ...] | None = None) -> Iterator[Arrays]:
        """The responses; see `StreamingModel.stream`."""
        self._check(inputs, outputs)
        rows = self._call.rows
        if rows and _row_count(inputs) != 1:
            raise InvalidInputError(f"the model streams the answer to one row at a time, not to {_row_count(inputs)}")
        given = {name: array[:1] for name, array in inputs.items()} if rows else inputs
        arguments = self._arguments(_row(given, 0) if rows else given)
        return self._responses(arguments, inputs, outputs)

    def _responses(
        self, arguments: dict[str, Any], inputs: Arrays, outputs: tuple[str, ...] | None
    ) -> Iterator[Arrays]:
        with self._lock:
            steps = self._steps(arguments)
            try:
                for result in steps:
                    arrays = self._arrays(result, inputs, self._call.rows)
                    if self._call.rows:
                        arrays = {name: array[np.newaxis] for name, array in arrays.items()}
                    yield arrays if outputs is None else {name: arrays[name] for name in outputs}
            except (ModelportError, MemoryError, GeneratorExit):
                raise
            except Exception as error:
                raise self._failure(error) from error
            finally:
                steps.close()

    def _steps(self, arguments: dict[str, Any]) -> Any:
        made = _awaited(self._made.predict(**arguments), self._runner)
        if isinstance(made, AsyncIterator):
            return _sync(made, self._runner)
        return _closable(made)


def _made(owner: type[Any], file: Path, runner: asyncio.Runner) -> Any:
    where = f"{file.name}: {owner.__name__}"
    try:
        made = owner()
        load = getattr(made, "load", None)
        if callable(load):
            where = f"{where}.load"
            takes = bool(inspect.signature(load).parameters)
            _awaited(load(file.parent) if takes else load(), runner)
    except (ModelportError, MemoryError):
        raise
    except Exception as error:
        _log.exception("%s failed", where)
        place = failure_place(error, file.absolute())
        raise InvalidModelError(f"{where} failed{place}: {type(error).__name__}: {error}") from error
    return made


def _awaited(value: Any, runner: asyncio.Runner) -> Any:
    return runner.run(_await(value)) if inspect.isawaitable(value) else value


async def _await(value: Any) -> Any:
    return await value


def _sync(responses: AsyncIterator[Any], runner: asyncio.Runner) -> Iterator[Any]:
    """An async generator's responses, each run for as long as it takes."""
    try:
        while True:
            try:
                item = runner.run(_await(anext(responses)))
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(responses, "aclose", None)
        if close is not None:
            runner.run(close())


def _closable(responses: Any) -> Iterator[Any]:
    try:
        yield from responses
    finally:
        close = getattr(responses, "close", None)
        if close is not None:
            close()


def _row_count(inputs: Arrays) -> int:
    counts = {len(array) for array in inputs.values()}
    if len(counts - {1}) > 1:
        raise InvalidInputError(f"the inputs have different numbers of rows: {', '.join(map(str, sorted(counts)))}")
    return max(counts, default=1) if 0 not in counts else 0


def _row(inputs: Arrays, index: int) -> Arrays:
    """One row of each input; an input of one row goes with every row of the others."""
    return {name: np.asarray(array[index if len(array) > 1 else 0]) for name, array in inputs.items()}


def _row_value(value: Any, shape: Shape, rows: bool) -> Any:
    """A single value of a model that takes arrays is an array of one element."""
    single = not rows and shape == (1,) and np.ndim(value) == 0
    return [value] if single else value


def _row_shape(shape: Shape, rows: bool) -> Shape:
    return shape[1:] if rows and shape is not None else shape


def _joined(rows: list[Array], spec: Any) -> Array:
    try:
        if rows:
            return np.stack(rows)
    except ValueError:
        shapes = " and ".join(sorted({str(list(row.shape)) for row in rows}))
        raise ModelFailedError(f"the model gave output {spec.name!r} with rows of different shapes: {shapes}") from None
    empty = tuple(0 if size == -1 else size for size in spec.shape or (0,))
    return output(np.empty(empty, object) if spec.datatype == "BYTES" else [], spec, None).reshape(empty)


def _properties(made: Any) -> dict[str, str]:
    text = inspect.getdoc(type(made)) or ""
    return {"class": type(made).__name__, "description": text.partition("\n\n")[0].replace("\n", " ")}
