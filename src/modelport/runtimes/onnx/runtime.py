"""Models in the ONNX format, on ONNX Runtime.

A graph whose inputs and outputs are all tensors that numpy knows takes the short way: one call into ONNX Runtime, with
the arrays as they are. Text, bfloat16, sequences, maps and optional values are converted on the way. Which way a model
goes is settled once, when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime as ort

from modelport.core.datatypes import Array
from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError, ModelFailedError, ModelportError
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.runtimes.onnx.engine import chosen_engine
from modelport.runtimes.onnx.errors import load_error, prediction_error
from modelport.runtimes.onnx.file import OnnxFile, model_file, read_onnx
from modelport.runtimes.onnx.inputs import Input, with_categories
from modelport.runtimes.onnx.meaning import read_property
from modelport.runtimes.onnx.outputs import BFloatOutput, OrtTensorOutput, Output
from modelport.runtimes.onnx.session import open_session
from modelport.runtimes.onnx.signature import build_signature, check_types, graph_inputs, graph_outputs
from modelport.runtimes.onnx.zipmap import cut_zipmaps

#: `InferenceSession.run` below its checks of the feeds, which cost as much as a small model.
Run = Callable[[list[str], dict[str, Any], None], list[Any]]


class OnnxRuntime:
    """Loads ONNX files, or folders with one. Weights in other files must lie in the model's own folder, or below it."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the model at `path`.

        `spec.options` are `engine` (`onnxruntime`, or `openvino` with the options of that runtime),
        `graph_optimization_level` (`disable`, `basic`, `extended`, `all`), `execution_mode` (`sequential`, `parallel`)
        and ONNX Runtime's own `session.…` entries. Raises InvalidModelError saying what is wrong with the file,
        InvalidInputError or MissingExtraError saying what is wrong with `spec`.
        """
        path = model_file(path)
        file = read_onnx(path)
        check_types(file)
        check_external_files(path, file)
        engine, spec = chosen_engine(spec)
        if engine is not None:
            return engine(path, file, spec)
        session, stands_for = _open(path, file, spec)
        return _loaded(session, file, stands_for, path.name, spec.inputs)


class PlainModel:
    """A model that takes and gives arrays as they are. They must be native-endian: ONNX Runtime does not look."""

    def __init__(self, session: Any, signature: Signature, info: ModelInfo, outputs: list[Output]) -> None:
        self.signature = signature
        self.info = info
        self._count = len(signature.inputs)
        self._nodes = [output.name for output in outputs]
        self._keys = [output.key for output in outputs]
        self._node_of = dict(zip(self._keys, self._nodes, strict=True))
        self._run = _bare_run(session)

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe; see `LoadedModel.predict`."""
        if len(inputs) != self._count:
            self.signature.check_inputs(inputs)
        if outputs is not None:
            return self._predict_some(inputs, outputs)
        try:
            return dict(zip(self._keys, self._run(self._nodes, inputs, None)))  # noqa: B905 - `strict` costs 0.1 µs
        except Exception as error:
            raise prediction_error(error) from error

    def _predict_some(self, inputs: dict[str, Array], outputs: tuple[str, ...]) -> dict[str, Array]:
        if not all(name in self._node_of for name in outputs):
            self.signature.check_outputs(outputs)
        if not outputs:
            return {}
        try:
            values = self._run([self._node_of[name] for name in outputs], inputs, None)
        except Exception as error:
            raise prediction_error(error) from error
        return dict(zip(outputs, values, strict=True))

    def close(self) -> None:
        """Free the model's memory."""
        self._run = _closed


class ConvertingModel:
    """A model with text, bfloat16, sequences, maps or optional values among its inputs and outputs."""

    def __init__(
        self, session: Any, signature: Signature, info: ModelInfo, inputs: list[Input], outputs: list[Output]
    ) -> None:
        self.signature = signature
        self.info = info
        self._inputs = inputs
        self._outputs = outputs
        self._nodes = [output.name for output in outputs]
        self._source = {spec.name: output for output in outputs for spec in output.specs}
        self._run = _fitting_run(session, inputs, outputs)

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe; see `LoadedModel.predict`."""
        if len(inputs) != len(self.signature.inputs):
            self.signature.check_inputs(inputs)
        sources, nodes = self._outputs, self._nodes
        if outputs is not None:
            sources = self._sources(outputs)
            nodes = [source.name for source in sources]
        if not nodes:
            return {}
        feeds: dict[str, Any] = {}
        given: dict[str, Array] = {}
        try:
            for item in self._inputs:
                item.feed(inputs, feeds)
            for source, value in zip(sources, self._run(nodes, feeds, None), strict=True):
                source.give(value, given)
        except Exception as error:
            raise prediction_error(error) from error
        return given if outputs is None else {name: given[name] for name in outputs}

    def close(self) -> None:
        """Free the model's memory."""
        self._run = _closed

    def _sources(self, outputs: tuple[str, ...]) -> list[Output]:
        if not all(name in self._source for name in outputs):
            self.signature.check_outputs(outputs)
        return list(dict.fromkeys(self._source[name] for name in outputs))


def check_external_files(path: Path, file: OnnxFile) -> None:
    """Raise InvalidModelError unless the files that weights lie in are there, in the model's folder or below it.

    A model file comes from anywhere; one that names `/etc/shadow` as its weights must not be able to read it. Links are
    followed: caches keep a model and its weights as links into one folder.
    """
    allowed = (path.parent.resolve(), path.resolve().parent)
    for location, weight in file.graph.external.items():
        if Path(location).is_absolute() or ".." in Path(location).parts:
            raise InvalidModelError(
                f"{path.name}: its weight {weight!r} is in {location!r}, outside of the model's folder, "
                "where no model may read: put the file beside the model and name it without a path"
            )
        beside = path.parent / location
        if not beside.is_file():
            raise InvalidModelError(f"{path.name} lacks the file {location!r}, which holds its weight {weight!r}")
        if not any(beside.resolve().is_relative_to(folder) for folder in allowed):
            raise InvalidModelError(
                f"{path.name}: its file of weights {location!r} is a link to outside of the model's folder, "
                "where no model may read: put the file itself beside the model"
            )


def _open(path: Path, file: OnnxFile, spec: LoadSpec) -> tuple[Any, dict[str, str]]:
    """A session, and the outputs of it that stand for others of the file."""
    cut = cut_zipmaps(path, file)
    if cut is not None:
        try:
            return open_session(cut.content, spec), cut.stands_for
        except ModelportError:
            raise
        except Exception:  # noqa: S110 - the file as it is tells what is wrong with it, or loads
            pass
    try:
        return open_session(path, spec), {}
    except ModelportError:
        raise
    except Exception as error:
        raise load_error(error, path.name, file) from None


def _loaded(
    session: Any, file: OnnxFile, stands_for: dict[str, str], name: str, declared: tuple[DeclaredTensor, ...]
) -> LoadedModel:
    inputs, outputs = graph_inputs(session, file), graph_outputs(session, file, stands_for)
    signature = build_signature(inputs, outputs, file, name)
    info = _info(file, name, session.get_providers())
    meanings = {spec.name: spec.meaning for spec in signature.inputs}
    meanings.update({item.name: item.meaning for item in declared if item.meaning is not None})
    inputs = [with_categories(item, meanings.get(item.name)) for item in inputs]
    if all(item.plain for item in inputs) and all(item.plain for item in outputs):
        return PlainModel(session, signature, info, outputs)
    if any(isinstance(output, BFloatOutput) for output in outputs):
        outputs = [_from_ort_value(output, inputs, name) for output in outputs]
    return ConvertingModel(session, signature, info, inputs, outputs)


def _info(file: OnnxFile, name: str, providers: list[str]) -> ModelInfo:
    document = read_property(file, name)
    properties = {
        "ir_version": str(file.ir_version),
        "opset": ", ".join(f"{domain} {version}" for domain, version in sorted(file.opsets.items())),
        "producer": f"{file.producer} {file.producer_version}".strip(),
        "description": document.get("description") or file.description,
        "parameters": str(file.graph.parameters or ""),
        "providers": ", ".join(providers),
    }
    return ModelInfo(
        format="onnx",
        platform="onnx_onnxv1",
        framework=f"ONNX Runtime {ort.__version__}",
        properties={key: value for key, value in properties.items() if value},
    )


def _from_ort_value(output: Output, inputs: list[Input], name: str) -> Output:
    """The way out where all outputs come as OrtValues. Text, sequences and maps can't go in or out that way."""
    simple = all(item.specs[0].datatype != "BYTES" and item.rowwise for item in inputs)
    if isinstance(output, BFloatOutput) and simple:
        return output
    if output.plain and simple:
        return OrtTensorOutput(output.name, output.specs)
    raise InvalidModelError(
        f"{name} gives bfloat16 and also has text, sequences, maps or optional outputs, which ONNX Runtime can't "
        "exchange with Python together: cast the bfloat16 outputs to float inside the model"
    )


def _fitting_run(session: Any, inputs: list[Input], outputs: list[Output]) -> Run:
    if any(isinstance(output, BFloatOutput) for output in outputs):
        return _ort_value_run(session)
    if any(spec.datatype == "BF16" for item in inputs for spec in item.specs):
        run: Run = session.run  # the bare run does not take OrtValues
        return run
    return _bare_run(session)


def _ort_value_run(session: Any) -> Run:
    def run(names: list[str], feeds: dict[str, Any], _options: None) -> list[Any]:
        make = ort.OrtValue.ortvalue_from_numpy
        values = {name: value if isinstance(value, ort.OrtValue) else make(value) for name, value in feeds.items()}
        given: list[Any] = session.run_with_ort_values(names, values, None)
        return given

    return run


def _bare_run(session: Any) -> Run:
    native = getattr(session, "_sess", None)
    run: Run = session.run if native is None else native.run
    return run


def _closed(_names: list[str], _feeds: dict[str, Any], _options: None) -> list[Any]:
    raise ModelFailedError("the model is closed")
