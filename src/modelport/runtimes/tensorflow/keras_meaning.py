"""What a Keras model's tensors mean, where its layers say so.

A layer that reads texts says that its input is text, a softmax at the end that the output is probabilities, and a
rescaling at the beginning that the input is a picture whose pixels go from 0 to 255.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from modelport.core.datatypes import BYTES
from modelport.core.meaning import Image, Meaning, Probabilities, Text
from modelport.core.signature import Signature, TensorSpec

_TEXT_LAYERS = ("TextVectorization", "HashedText")


def with_meanings(signature: Signature, model: Any) -> Signature:
    """The signature with what the layers tell."""
    layers = {type(layer).__name__: layer for layer in model.layers}
    return Signature(
        tuple(replace(spec, meaning=_of_input(spec, layers)) for spec in signature.inputs),
        tuple(replace(spec, meaning=_of_output(spec, model)) for spec in signature.outputs),
    )


def _of_input(spec: TensorSpec, layers: dict[str, Any]) -> Meaning | None:
    if spec.datatype == BYTES and any(name in layers for name in _TEXT_LAYERS):
        return Text()
    shape = spec.shape or ()
    if len(shape) == 4 and _takes_pixels(layers) and shape[3] in (1, 3) and min(shape[1:3]) > 0:
        return Image(height=shape[1], width=shape[2], channels=1 if shape[3] == 1 else 3, layout="HWC")
    return None


def _takes_pixels(layers: dict[str, Any]) -> bool:
    """Whether it makes 0 … 1 or −1 … 1 of numbers from 0 to 255."""
    scale = getattr(layers.get("Rescaling"), "scale", None)
    return isinstance(scale, float) and any(abs(scale * whole - 1) < 1e-3 for whole in (255, 127.5))


def _of_output(spec: TensorSpec, model: Any) -> Meaning | None:
    names = list(getattr(model, "output_names", ()))
    ends = [layer for layer in model.layers if layer.name == spec.name] if spec.name in names else model.layers[-1:]
    if len(ends) != 1 or spec.shape is None or len(spec.shape) != 2:
        return None
    if len(names) > 1 and spec.name not in names:
        return None
    activation = getattr(ends[0], "activation", None)
    softmax = type(ends[0]).__name__ == "Softmax" or getattr(activation, "__name__", "") == "softmax"
    return Probabilities() if softmax else None
