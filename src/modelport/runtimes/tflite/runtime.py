"""TensorFlow Lite models (`.tflite`) on LiteRT, quantized ones included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import InvalidInputError, ModelFailedError, ModelportError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.runtimes.tflite.file import meaning_of, packed_labels, read_tflite
from modelport.runtimes.tflite.interpreters import Interpreters, RefusedShapeError, brief, signature_names
from modelport.runtimes.tflite.metadata import Normalisation, picture_of, pictures_in
from modelport.runtimes.tflite.outline import parameters_in
from modelport.runtimes.tflite.tensors import (
    Tensor,
    quantization_text,
    signature_of,
    tensors_of,
    with_free_rows,
)

DEFAULT = "serving_default"
_OPTIONS: dict[str, tuple[str, ...]] = {"quantized": ("float", "raw"), "signature": ()}
_VALUES = re.compile(r"out of (bound|range)|index.*(bound|range)|divi(de|sion) by zero", re.IGNORECASE)


class TFLiteRuntime:
    """Loads `.tflite` files. They hold no code; operations of TensorFlow proper ("Flex") are not there."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the model at `path`.

        `spec.options` are `quantized`: `float` (quantized inputs and outputs are FP32 to callers) or `raw` (they are
        the whole numbers of the file); and `signature`, the name of one of the file's signatures. Raises
        InvalidModelError saying what is wrong with the file, InvalidInputError saying what is wrong with `spec`.
        """
        _check(spec)
        content = read_tflite(path)
        names = signature_names(content, path.name)
        chosen = _chosen(names, spec.options.get("signature"), path.name)
        interpreters = Interpreters(content, spec.threads, chosen)
        opened = _opened(interpreters, spec.options.get("quantized") != "raw", path.name)
        info = _info(opened, names, chosen, parameters_in(content))
        if _grows(TFLiteModel(interpreters, opened, info)):
            opened = _with_free_rows(opened)
        opened = _with_pictures(opened, pictures_in(content))
        return TFLiteModel(interpreters, _with_labels(opened, packed_labels(content)), info)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A model's tensors as callers see them, and how they are quantized in words."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    quantization: str


class TFLiteModel:
    """A model on LiteRT's interpreters."""

    def __init__(self, interpreters: Interpreters, opened: _Opened, info: ModelInfo) -> None:
        self.signature = signature_of(opened.inputs, opened.outputs)
        self.info = info
        self._interpreters = interpreters
        self._inputs = {item.spec.name: item for item in opened.inputs}
        self._outputs = {item.spec.name: item for item in opened.outputs}
        self._places = {name: item.index for name, item in self._inputs.items()}

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe; see `LoadedModel.predict`."""
        self.signature.check_complete(inputs)
        wanted = self._outputs
        if outputs is not None:
            self.signature.check_outputs(outputs)
            wanted = {name: self._outputs[name] for name in outputs}
        feeds = {name: self._inputs[name].feed(array) for name, array in inputs.items()}
        places = {name: item.index for name, item in wanted.items()}
        try:
            with self._interpreters.one() as caller:
                given = caller.run(feeds, self._places, places)
            return {name: item.give(given[name]) for name, item in wanted.items()}
        except Exception as error:
            raise _prediction_error(error) from error

    def close(self) -> None:
        """Free the model's memory."""
        self._interpreters.close()


def _check(spec: LoadSpec) -> None:
    if spec.device != "cpu":
        raise InvalidInputError(f"unknown device {spec.device!r}; TensorFlow Lite models run on 'cpu'")
    for name, value in spec.options.items():
        if name not in _OPTIONS:
            listed = ", ".join(map(repr, _OPTIONS))
            raise InvalidInputError(
                f"unknown option {name!r}{did_you_mean(name, _OPTIONS)}; TensorFlow Lite models take {listed}"
            )
        if _OPTIONS[name] and value not in _OPTIONS[name]:
            near = did_you_mean(value, _OPTIONS[name])
            raise InvalidInputError(f"option {name!r} is {value!r}{near}; it is one of 'float', 'raw'")


def _chosen(names: list[str], wanted: str | None, file: str) -> str | None:
    """The signature to serve; None for a file without any."""
    if wanted is None:
        return DEFAULT if DEFAULT in names else (names[0] if names else None)
    if wanted not in names:
        listed = ", ".join(names) or "none"
        raise InvalidInputError(f"{file} has no signature {wanted!r}{did_you_mean(wanted, names)}; it has {listed}")
    return wanted


def _opened(interpreters: Interpreters, floats: bool, file: str) -> _Opened:
    """Raises InvalidModelError for tensors that no datatype carries."""
    with interpreters.one() as caller:
        given, made = caller.details()
    inputs, outputs = tensors_of(given, floats, file), tensors_of(made, floats, file)
    return _Opened(inputs, outputs, quantization_text((*inputs, *outputs), {**given, **made}))


def _grows(model: TFLiteModel) -> bool:
    """Whether a model of one row takes two, and gives for both what it gives for each."""
    specs = (*model.signature.inputs, *model.signature.outputs)
    if any(spec.shape is None or spec.shape[:1] != (1,) or spec.datatype == BYTES for spec in specs):
        return False
    random = np.random.default_rng(0)
    rows = {
        spec.name: random.integers(0, 2, (2, *(spec.shape or ())[1:])).astype(DTYPES[spec.datatype])
        for spec in model.signature.inputs
    }
    try:
        both = model.predict(rows)
        each = [model.predict({name: array[at : at + 1] for name, array in rows.items()}) for at in (0, 1)]
    except ModelportError:
        return False
    return all(_alike(both[name], np.concatenate([one[name] for one in each])) for name in both)


def _alike(together: Array, apart: Array) -> bool:
    return together.shape == apart.shape and bool(
        np.allclose(together.astype(np.float64), apart.astype(np.float64), rtol=1e-3, atol=1e-5, equal_nan=True)
    )


def _with_free_rows(opened: _Opened) -> _Opened:
    return replace(opened, inputs=with_free_rows(opened.inputs), outputs=with_free_rows(opened.outputs))


def _with_pictures(opened: _Opened, pictures: Mapping[int, Normalisation]) -> _Opened:
    """The inputs that the file's metadata says are pictures."""
    inputs = (
        replace(item, spec=replace(item.spec, meaning=picture_of(item.spec, pictures[item.index])))
        if item.index in pictures
        else item
        for item in opened.inputs
    )
    return replace(opened, inputs=tuple(inputs))


def _with_labels(opened: _Opened, lists: list[tuple[str, ...]]) -> _Opened:
    """The outputs with the labels that are packed in the file."""
    alone = len(opened.outputs) == 1
    outputs = (
        replace(item, spec=replace(item.spec, meaning=meaning_of(item.spec, lists, alone))) for item in opened.outputs
    )
    return replace(opened, outputs=tuple(outputs))


def _prediction_error(error: Exception) -> ModelportError:
    if isinstance(error, ModelportError):
        return error
    text = brief(error)
    if isinstance(error, RefusedShapeError):
        return InvalidInputError(f"the model does not take inputs of such shapes: {text}")
    if _VALUES.search(text):
        return InvalidInputError(f"the model refuses these values: {text}")
    return ModelFailedError(f"the model failed: {text}")


def _info(opened: _Opened, names: list[str], chosen: str | None, parameters: str) -> ModelInfo:
    properties = {
        "signature": chosen or "",
        "signatures": ", ".join(names) if len(names) > 1 else "",
        "parameters": parameters,
        "quantization": opened.quantization,
    }
    return ModelInfo(
        format="tflite",
        platform="tensorflow_lite",
        framework=f"LiteRT {version('ai-edge-litert')}",
        properties={key: value for key, value in properties.items() if value},
    )
