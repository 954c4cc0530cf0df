"""What an ONNX model's tensors mean: from the `modelport` property of its metadata, else from customs of exporters.

The property is a JSON document: {"description": "...", "inputs": {name: meaning}, "outputs": {name: meaning}}, where a
meaning is what `core.meaning_document.meaning_from_dict` reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Image, Labels, Meaning, Probabilities, Tabular, Text
from modelport.core.meaning_document import meaning_from_dict
from modelport.core.nearest import did_you_mean
from modelport.core.signature import TensorSpec
from modelport.runtimes.onnx.file import OnnxFile

PROPERTY = "modelport"

_LABEL_NAMES = frozenset({"label", "output_label"})
_PROBABILITY_NAMES = frozenset({"probabilities", "output_probability", "probability"})

Specs = tuple[TensorSpec, ...]


def with_meanings(inputs: Specs, outputs: Specs, file: OnnxFile, name: str) -> tuple[Specs, Specs]:
    """The same tensors with what they mean. Raises InvalidModelError where the file's property is malformed."""
    document = read_property(file, name)
    given_in = _meanings(document, "inputs", inputs, name)
    given_out = _meanings(document, "outputs", outputs, name)
    guessed_in, guessed_out = _guess_inputs(inputs), _guess_outputs(outputs, file)
    return (
        tuple(replace(spec, meaning=given_in.get(spec.name, guessed_in.get(spec.name))) for spec in inputs),
        tuple(replace(spec, meaning=given_out.get(spec.name, guessed_out.get(spec.name))) for spec in outputs),
    )


def read_property(file: OnnxFile, name: str) -> dict[str, Any]:
    """The document in the file's `modelport` property; empty where there is none."""
    text = file.metadata.get(PROPERTY)
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidModelError(f"{name}: its metadata property {PROPERTY!r} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _malformed(name, "it must be an object with 'description', 'inputs' and 'outputs'")
    for key in document:
        if key not in ("description", "inputs", "outputs"):
            near = did_you_mean(key, ("description", "inputs", "outputs"))
            raise _malformed(name, f"unknown field {key!r}{near}; the fields are 'description', 'inputs' and 'outputs'")
    if not isinstance(document.get("description", ""), str):
        raise _malformed(name, "'description' must be a text")
    return document


def _meanings(document: dict[str, Any], side: str, specs: Specs, name: str) -> dict[str, Meaning]:
    given = document.get(side, {})
    if not isinstance(given, dict):
        raise _malformed(name, f"{side!r} must be an object: name of a tensor → what it means")
    known = {spec.name: spec for spec in specs}
    meanings: dict[str, Meaning] = {}
    for tensor, value in given.items():
        where = f"{side[:-1]} {tensor!r}"
        if tensor not in known:
            near = did_you_mean(tensor, known)
            raise _malformed(name, f"the model has no {where}{near}; its {side} are {_listed(known)}")
        try:
            meanings[tensor] = meaning_from_dict(value)
        except ValueError as error:
            raise _malformed(name, f"{where}: {error}") from None
        problem = _misfit(meanings[tensor], known[tensor])
        if problem:
            raise _malformed(name, f"{where}: {problem}")
    return meanings


def _misfit(meaning: Meaning, spec: TensorSpec) -> str:
    """How a meaning contradicts the tensor's shape, where that is fixed; empty where it does not."""
    shape = spec.shape or ()
    width = shape[-1] if len(shape) > 1 else -1
    if isinstance(meaning, Tabular) and width not in (-1, len(meaning.columns)):
        return f"{len(meaning.columns)} columns are named, but the tensor is {spec.describe()}"
    if isinstance(meaning, Probabilities) and meaning.labels and width not in (-1, len(meaning.labels)):
        return f"{len(meaning.labels)} labels are named, but the tensor is {spec.describe()}"
    if isinstance(meaning, Text) and spec.datatype != "BYTES":
        return f"a text needs a BYTES tensor, but the tensor is {spec.describe()}"
    if isinstance(meaning, Image) and spec.shape is not None and not _image_fits(meaning, shape):
        return f"{_image_axes(meaning)} per picture don't fit the tensor, which is {spec.describe()}"
    return ""


def _image_fits(image: Image, shape: tuple[int, ...]) -> bool:
    axes = _image_axes(image)
    return len(shape) == len(axes) + 1 and all(have in (-1, want) for have, want in zip(shape[1:], axes, strict=True))


def _image_axes(image: Image) -> list[int]:
    height, width, channels = image.height, image.width, image.channels
    axes = {
        "HW": [height, width],
        "HWC": [height, width, channels],
        "CHW": [channels, height, width],
        "flat": [height * width * channels],
    }
    return axes[image.layout]


def _guess_inputs(specs: Specs) -> dict[str, Meaning]:
    """A lone input of strings, one per row, is a text."""
    if len(specs) == 1 and specs[0].datatype == "BYTES" and specs[0].shape in ((-1,), (-1, 1)):
        return {specs[0].name: Text()}
    return {}


def _guess_outputs(specs: Specs, file: OnnxFile) -> dict[str, Meaning]:
    """A label beside its probabilities, as exporters of classifiers name them."""
    label = next((spec for spec in specs if _is_label(spec)), None)
    scores = next((spec for spec in specs if _is_probabilities(spec, file)), None)
    guessed: dict[str, Meaning] = {}
    keys = None if scores is None else _class_labels(scores, file)
    if scores is not None and (label is not None or keys is not None):
        guessed[scores.name] = Probabilities(tuple(str(key) for key in keys or ()))
    if label is not None and scores is not None:
        # An integer is an index into the labels, so that they can be named only where they are 0, 1, 2 …
        counted = keys is not None and (label.datatype == "BYTES" or keys == tuple(range(len(keys))))
        guessed[label.name] = Labels(tuple(str(key) for key in keys or ()) if counted else ())
    return guessed


def _is_label(spec: TensorSpec) -> bool:
    return spec.name in _LABEL_NAMES and spec.datatype in ("INT64", "BYTES") and spec.shape in ((-1,), None)


def _is_probabilities(spec: TensorSpec, file: OnnxFile) -> bool:
    if spec.datatype not in ("FP32", "FP64") or spec.shape is None or len(spec.shape) != 2:
        return False
    return spec.name in _PROBABILITY_NAMES or spec.name in zipmap_labels(file)


def zipmap_labels(file: OnnxFile) -> dict[str, tuple[str, ...] | tuple[int, ...]]:
    """Outputs that a ZipMap makes → the keys of its maps, in the order of the columns it was made from."""
    nodes = (node for node in file.graph.classifiers if node.operator == "ZipMap")
    return {output: node.labels for node in nodes for output in node.outputs}


def _class_labels(scores: TensorSpec, file: OnnxFile) -> tuple[str, ...] | tuple[int, ...] | None:
    """The labels of the columns of probabilities: its ZipMap's, or those that all of the graph's classifiers share."""
    exact = zipmap_labels(file).get(scores.name)
    if exact is not None:
        return exact
    shared = {node.labels for node in file.graph.classifiers}
    labels = shared.pop() if len(shared) == 1 else None
    width = (scores.shape or (-1,))[-1]
    return labels if labels is not None and width in (-1, len(labels)) else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _malformed(name: str, what: str) -> InvalidModelError:
    return InvalidModelError(f"{name}: its metadata property {PROPERTY!r} is malformed: {what}")
