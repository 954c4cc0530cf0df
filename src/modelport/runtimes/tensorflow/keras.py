"""Keras models, `.keras` and `.h5`, on TensorFlow: traced once into a graph when they are loaded."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.tensorflow.keras_file import KerasFile, read_keras
from modelport.runtimes.tensorflow.keras_meaning import with_meanings
from modelport.runtimes.tensorflow.process import device_name, set_threads, tf
from modelport.runtimes.tensorflow.stderr import quiet_stderr
from modelport.runtimes.tensorflow.values import (
    DATATYPES,
    array_from,
    brief,
    prediction_error,
    shape_of,
    tensor_from,
    tf_dtype,
)

_SUFFIXES = {"keras": (".keras",), "h5": (".h5", ".hdf5")}


def _imported() -> Any:
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import keras  # noqa: PLC0415 - within what keeps it quiet
    if keras.config.backend() != "tensorflow":
        raise ImportError(f"Keras runs on {keras.config.backend()} in this process, not on TensorFlow")
    return keras


_keras: Any = _imported()


class KerasRuntime:
    """Loads `.keras` and `.h5` files. No code of theirs runs: layers with code in them are refused."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the model at `path`; it takes no options.

        A model without an input of its own (a Sequential that was never built) takes its shape from `spec.inputs`.
        Raises InvalidModelError saying what is wrong with the file, InvalidInputError or MissingExtraError saying what
        is wrong with `spec`.
        """
        if spec.options:
            raise InvalidInputError(f"unknown option {next(iter(spec.options))!r}; Keras models take none")
        device = device_name(spec.device)
        file = read_keras(path)
        threads = set_threads(spec.threads)
        with tf.device(device), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Keras's own code, about the frameworks under it
            model = _load(file)
            inputs = _inputs(model, spec, path.name)
            function = _traced(model, inputs, path.name)
        signature = with_meanings(Signature(inputs, _outputs(model, function, path.name)), model)
        return KerasModel(function, signature, _info(file, model, threads), device)


class KerasModel:
    """A Keras model as a TensorFlow graph."""

    def __init__(self, function: Any, signature: Signature, info: ModelInfo, device: str) -> None:
        self.signature = signature
        self.info = info
        self._function = function
        self._device = device
        self._places = {spec.name: place for place, spec in enumerate(signature.outputs)}

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe; see `LoadedModel.predict`."""
        self.signature.check_complete(inputs)
        specs = self.signature.outputs
        if outputs is not None:
            self.signature.check_outputs(outputs)
            specs = tuple(self.signature.output(name) for name in outputs)
        if not specs:
            return {}
        function = self._function
        if function is None:
            raise ModelFailedError("the model is closed")
        try:
            with tf.device(self._device):
                tensors = [tensor_from(inputs[item.name], item.datatype) for item in self.signature.inputs]
                given = tf.nest.flatten(function(*tensors))
            return {spec.name: array_from(given[self._places[spec.name]], spec) for spec in specs}
        except Exception as error:
            raise prediction_error(error) from error

    def close(self) -> None:
        """Let go of the graph."""
        self._function = None


def _load(file: KerasFile) -> Any:
    name = file.path.name
    if file.path.suffix not in _SUFFIXES[file.kind]:  # Keras goes by the name
        raise InvalidModelError(
            f"{name} is a Keras model, but Keras reads it only if its name ends in {' or '.join(_SUFFIXES[file.kind])}"
        )
    try:
        return _keras.saving.load_model(str(file.path), compile=False, safe_mode=True)
    except Exception as error:
        raise InvalidModelError(
            f"{name} can't be loaded by Keras {_keras.__version__} (it was made by "
            f"{file.version or 'an unknown version'}): {brief(error)}"
        ) from error


def _inputs(model: Any, spec: LoadSpec, name: str) -> tuple[TensorSpec, ...]:
    """The model's inputs, those that its owner declares where it has none. Raises InvalidModelError."""
    if getattr(model, "inputs", None):
        return tuple(_input(tensor, name) for tensor in model.inputs)
    declared = tuple(item.spec() for item in spec.inputs if item.shape)
    if len(declared) != 1:
        raise InvalidModelError(
            f"{name} was saved before it was built and does not say what it takes: write its input into "
            'modelport.toml, such as [inputs.x] with datatype = "FP32" and shape = [-1, 30]'
        )
    return declared


def _input(tensor: Any, name: str) -> TensorSpec:
    kind = tf.as_dtype(tensor.dtype).name
    if kind not in DATATYPES or tensor.sparse or getattr(tensor, "ragged", False):
        how = "sparse or ragged" if kind in DATATYPES else f"of the dtype {kind}"
        raise InvalidModelError(
            f"{name}: its input {tensor.name!r} is {how}, which no datatype of the protocol carries"
        )
    return TensorSpec(tensor.name, DATATYPES[kind], shape_of(tensor.shape))


def _traced(model: Any, inputs: tuple[TensorSpec, ...], name: str) -> Any:
    """The model as a graph from flat inputs to its outputs."""
    wanted = [
        tf.TensorSpec([None if size == -1 else size for size in item.shape or ()], tf_dtype(item.datatype))
        for item in inputs
    ]
    try:
        structure = model.input
    except AttributeError:  # a Sequential has none of its own
        structure = None

    @tf.function(input_signature=wanted, autograph=False)  # type: ignore[untyped-decorator]
    def run(*tensors: Any) -> Any:
        packed = tensors[0] if structure is None else _keras.tree.pack_sequence_as(structure, tensors)
        return model(packed, training=False)

    try:
        return run.get_concrete_function()
    except Exception as error:
        raise InvalidModelError(f"{name} can't be run with its own inputs: {brief(error)}") from error


def _outputs(model: Any, function: Any, name: str) -> tuple[TensorSpec, ...]:
    """The outputs in the order of their tensors; names are the keys of a dictionary, else those of the layers."""
    made = function.structured_outputs
    flat = tf.nest.flatten(made)
    if isinstance(made, dict):
        names = sorted(made)
    else:
        names = list(getattr(model, "output_names", None) or [model.layers[-1].name])
    if len(names) != len(flat) or len(set(names)) != len(names):
        names = [f"output_{place}" for place in range(len(flat))]
    specs = []
    for key, tensor in zip(names, flat, strict=True):
        kind = tf.as_dtype(tensor.dtype).name
        if kind not in DATATYPES or not isinstance(tensor, tf.TensorSpec | tf.Tensor):
            raise InvalidModelError(f"{name}: its output {key!r} ({kind}) is no tensor of a datatype of the protocol")
        specs.append(TensorSpec(key, DATATYPES[kind], shape_of(tensor.shape)))
    return tuple(specs)


def _info(file: KerasFile, model: Any, threads: int) -> ModelInfo:
    properties = {
        "made_by": f"Keras {file.version}" if file.version else "",
        "file_format": "Keras 3 archive" if file.kind == "keras" else "Keras HDF5",
        "model": f"{type(model).__name__} {model.name}",
        "parameters": str(model.count_params()),
        "threads": f"{threads}, of the whole process" if threads else "",
    }
    return ModelInfo(
        format="keras",
        platform="keras",
        framework=f"Keras {_keras.__version__} on TensorFlow {tf.__version__}",
        properties={key: value for key, value in properties.items() if value},
    )
