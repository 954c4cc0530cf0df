"""TensorFlow's SavedModel folders: each of their signatures, on TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, shape_text
from modelport.runtimes.tensorflow.outline import parameters_of
from modelport.runtimes.tensorflow.process import device_name, set_threads, tf
from modelport.runtimes.tensorflow.saved_model_file import NAME, SavedModelFile, read_saved_model
from modelport.runtimes.tensorflow.values import array_from, brief, prediction_error, tensor_from

DEFAULT = "serving_default"
#: What TensorFlow says, under any class of errors, of files of variables that are not whole.
_DAMAGE = re.compile("Read less bytes|No such file|sstable|hecksum|orrupt")
_OPTIONS = {"signature": "the signature that is served", "files": "'allow' or 'refuse' operations on files"}


class SavedModelRuntime:
    """Loads SavedModel folders. Loading runs what the graph says is to be run then: see `files`."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the SavedModel at `path`, a folder.

        `spec.options` are `signature` (its name; `serving_default`, or the only one) and `files`: `allow` for a graph
        whose operations read or write files, which is refused otherwise. Raises InvalidModelError saying what is wrong
        with the folder, InvalidInputError or MissingExtraError saying what is wrong with `spec`.
        """
        _check_options(spec.options)
        device = device_name(spec.device)
        file = read_saved_model(path)
        _check_operations(file, spec.options.get("files") == "allow")
        chosen = _chosen(file, spec.options.get("signature"))
        threads = set_threads(spec.threads)
        loaded = _load(file, device)
        info = _info(file, chosen, threads)
        return SavedModel({name: _served(loaded, file, name, info, device) for name in file.signatures}, chosen)


class SignatureModel:
    """One signature of a SavedModel. The model's memory is held as long as one of its signatures is open."""

    def __init__(self, root: Any, function: Any, signature: Signature, info: ModelInfo, device: str) -> None:
        self.signature = signature
        self.info = info
        self._root = root  # the variables of a function end with the model that they are of
        self._function = function
        self._device = device
        self._kinds = {spec.name: spec.datatype for spec in signature.inputs}

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the signature. Thread-safe; see `LoadedModel.predict`."""
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
                given = function(**{name: tensor_from(array, self._kinds[name]) for name, array in inputs.items()})
            return {spec.name: array_from(given[spec.name], spec) for spec in specs}
        except Exception as error:
            raise prediction_error(error) from error

    def close(self) -> None:
        """Let go of the graph."""
        self._root = self._function = None


class SavedModel:
    """A SavedModel: the signature that is served, and all of them by name in `signatures`."""

    def __init__(self, signatures: dict[str, SignatureModel], chosen: str) -> None:
        self._served = signatures[chosen]
        self.signature = self._served.signature
        self.info = self._served.info
        #: All share the model's memory; each is closed by itself, the one that is served with the model.
        self.signatures: Mapping[str, LoadedModel] = MappingProxyType(signatures)
        self.predict = self._served.predict

    def predict_signature(
        self, name: str, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None
    ) -> dict[str, Array]:
        """As `predict`, by the signature of that name. Raises InvalidInputError where there is none."""
        if name not in self.signatures:
            near = did_you_mean(name, self.signatures)
            raise InvalidInputError(f"unknown signature {name!r}{near}; the model has {', '.join(self.signatures)}")
        return self.signatures[name].predict(inputs, outputs)

    def close(self) -> None:
        """Free the model's memory, unless another of its signatures is in use elsewhere."""
        self._served.close()
        self.signatures = MappingProxyType({})


def _check_options(options: dict[str, str]) -> None:
    for name in options:
        if name not in _OPTIONS:
            listed = ", ".join(map(repr, _OPTIONS))
            raise InvalidInputError(f"unknown option {name!r}{did_you_mean(name, _OPTIONS)}; SavedModels take {listed}")
    if options.get("files", "refuse") not in ("allow", "refuse"):
        raise InvalidInputError(f"option 'files' is {options['files']!r}; it is one of 'allow', 'refuse'")


def _check_operations(file: SavedModelFile, files_allowed: bool) -> None:
    found = file.operations
    if found.python:
        raise InvalidModelError(
            f"{file.folder.name} calls Python functions ({', '.join(found.python)}), which no file can bring along: "
            "export the model without tf.py_function and tf.numpy_function"
        )
    if found.outside and not files_allowed:
        raise InvalidModelError(
            f"{file.folder.name} has operations that use files or networks: {', '.join(found.outside)}. Whoever made "
            'it, or asks it, could read or write this server\'s files: where you trust both, set files = "allow" '
            "among the options of [runtime] in modelport.toml"
        )


def _chosen(file: SavedModelFile, wanted: str | None) -> str:
    """The signature to serve. Raises InvalidModelError or InvalidInputError where that can't be told."""
    names = list(file.signatures)
    name = wanted or (names[0] if len(names) == 1 and DEFAULT not in file.others else DEFAULT)
    if name in file.signatures:
        return name
    if name in file.others:
        raise InvalidModelError(f"{file.folder.name}: the signature {name!r} can't be served: {file.others[name]}")
    if not names and not file.others:
        raise InvalidModelError(
            f"{file.folder.name} has no signatures: save it with tf.saved_model.save(model, path, signatures=…)"
        )
    listed = ", ".join([*names, *file.others])
    text = f"{file.folder.name} has no signature {name!r}{did_you_mean(name, names)}; it has {listed}"
    if wanted:
        raise InvalidInputError(text)
    raise InvalidModelError(f"{text}: choose one with the option signature of [runtime] in modelport.toml")


def _load(file: SavedModelFile, device: str) -> Any:
    try:
        with tf.device(device):
            return tf.saved_model.load(str(file.folder), tags=list(file.tags) or None)
    except Exception as error:
        raise InvalidModelError(_why_not(error, file)) from error


def _why_not(error: Exception, file: SavedModelFile) -> str:
    name, text = file.folder.name, brief(error)
    known = set(tf.raw_ops.__dict__)
    unknown = sorted(op for op in file.operations.all - known if f"'{op}'" in str(error) or f" {op} " in str(error))
    if unknown:
        return (
            f"{name} (made by TensorFlow {file.version}) uses the operation {unknown[0]!r}, which TensorFlow "
            f"{tf.__version__} does not have: it belongs to another version, or to a library of custom operations"
        )
    damage = tf.errors.DataLossError | tf.errors.OutOfRangeError | tf.errors.NotFoundError | OSError
    if isinstance(error, damage) or _DAMAGE.search(text):
        return f"{name}: the files of its variables or assets are missing, cut short or damaged: {text}"
    return f"{name} can't be loaded by TensorFlow {tf.__version__} (it was made by {file.version}): {text}"


def _served(loaded: Any, file: SavedModelFile, name: str, info: ModelInfo, device: str) -> SignatureModel:
    if name not in loaded.signatures:
        raise InvalidModelError(f"{file.folder.name}/{NAME} lists the signature {name!r}, but its graph has none")
    return SignatureModel(loaded, loaded.signatures[name], file.signatures[name], info, device)


def _info(file: SavedModelFile, chosen: str, threads: int) -> ModelInfo:
    others = [f"{name} (not served: {why})" for name, why in file.others.items()]
    properties = {
        "made_by": f"TensorFlow {file.version}" if file.version else "",
        "signature": chosen,
        "signatures": "; ".join([*(_described(name, item) for name, item in file.signatures.items()), *others]),
        "parameters": parameters_of(file.folder),
        "dangerous_ops": ", ".join(file.operations.outside),
        "threads": f"{threads}, of the whole process" if threads else "",
    }
    return ModelInfo(
        format="tensorflow",
        platform="tensorflow_savedmodel",
        framework=f"TensorFlow {tf.__version__}",
        properties={key: value for key, value in properties.items() if value},
    )


def _described(name: str, signature: Signature) -> str:
    given, made = (
        ", ".join(f"{spec.name} {spec.datatype} {shape_text(spec.shape)}" for spec in specs)
        for specs in (signature.inputs, signature.outputs)
    )
    return f"{name}: {given or 'nothing'} → {made}"
