"""PredictionService.Predict: request bytes → arrays, and arrays → response bytes.

A client's requests differ in their tensors' bytes and in nothing else: a request that was read once leaves its layout,
and the next one of the same layout is read by looking at where the tensors are. Everything unusual is left to protobuf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, Array
from modelport.core.errors import InvalidInputError
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.nearest import did_you_mean
from modelport.core.signature import Signature
from modelport.wire.http import Buffer
from modelport.wire.protobuf import parsed
from modelport.wire.tensor_proto import (
    TensorType,
    array_from_content,
    array_from_packed,
    array_from_values,
    check_declared,
    check_field,
    from_numbers,
)
from modelport.wire.tensorflow_serving_layouts import Layout, TensorPlace, UnusualError, layout_of
from modelport.wire.tensorflow_serving_messages import ModelSpec, message, spec_from
from modelport.wire.tensorflow_serving_responses import encode_predict
from modelport.wire.tensorflow_serving_signatures import check_signature_name

#: Longer tensors are not copied, unless their address is one that frameworks do not take.
_COPIED = 16384
#: Layouts that are remembered for one length of message, and lengths.
_OF_A_LENGTH, _LENGTHS = 4, 1024


class _Encoding:
    """How both kinds of requests are answered."""

    __slots__ = ()
    spec: ModelSpec

    def encode(self, response: InferenceResponse, signature: Signature) -> bytes | list[Buffer]:
        """The PredictResponse."""
        return encode_predict(response, self.spec.signature)


class Predict(_Encoding):
    """One request: `spec` says for which model, `request` makes its arrays."""

    __slots__ = ("_message", "spec")

    def __init__(self, data: bytes) -> None:
        self._message = parsed(message("PredictRequest"), data)
        self.spec = spec_from(self._message)
        self.spec.check()

    def request(self, data: bytes, signature: Signature) -> InferenceRequest:
        """The request's arrays, checked against the signature. Raises InvalidInputError."""
        outputs = tuple(self._message.output_filter)
        _check(self.spec, list(self._message.inputs), outputs, signature)
        inputs = {name: _careful_array(name, self._message.inputs[name], signature) for name in self._message.inputs}
        return InferenceRequest(inputs, outputs or None)


class QuickPredict(_Encoding):
    """A request of a known layout; one object serves all requests of it."""

    __slots__ = ("_checked", "_kinds", "_only", "layout", "spec")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.spec = ModelSpec(layout.name, layout.version, layout.label, layout.signature)
        self.spec.check()
        self._checked: Signature | None = None
        self._kinds: list[tuple[TensorPlace, TensorType]] = []
        self._only: tuple[str, tuple[int, ...], np.dtype[np.generic], int, int] | None = None

    def request(self, data: bytes, signature: Signature) -> InferenceRequest:
        """The request's arrays. What the layout says is checked against a signature once."""
        if self._checked is not signature:
            self._check(signature)
        if self._only is not None:
            name, shape, dtype, start, stop = self._only
            return InferenceRequest({name: np.ndarray(shape, dtype, data[start:stop])}, self.layout.outputs)
        view = memoryview(data)
        inputs: dict[str, Array] = {}
        for place, kind in self._kinds:
            raw = view[place.start : place.stop]
            if place.content:
                inputs[place.name] = array_from_content(place.name, kind, list(place.shape), raw)
            else:
                inputs[place.name] = array_from_packed(place.name, kind, list(place.shape), raw)
        return InferenceRequest(inputs, self.layout.outputs)

    def _check(self, signature: Signature) -> None:
        layout = self.layout
        _check(self.spec, [place.name for place in layout.tensors], layout.outputs or (), signature)
        kinds = []
        for place in layout.tensors:
            kind = check_declared(signature.input(place.name), place.dtype, list(place.shape))
            if not place.content:
                check_field(place.name, kind, place.field)
            kinds.append((place, kind))
        # all at once: a signature that the layout does not fit must leave nothing behind for the one that it does fit
        self._kinds, self._only, self._checked = kinds, _only_tensor(kinds), signature


class PredictReader:
    """Reads requests, and remembers layouts."""

    def __init__(self) -> None:
        self._known: dict[int, list[QuickPredict]] = {}

    def read(self, data: bytes) -> QuickPredict | Predict:
        """The request in a message. Raises InvalidInputError."""
        for known in self._known.get(len(data), ()):
            if known.layout.fits(data):
                return known
        try:
            layout = layout_of(data)
        except UnusualError:
            return Predict(data)
        made = QuickPredict(layout)
        if layout.remembered:
            self._remember(len(data), made)
        return made

    def _remember(self, length: int, made: QuickPredict) -> None:
        if len(self._known) >= _LENGTHS:
            self._known.clear()
        alike = self._known.setdefault(length, [])
        alike.insert(0, made)
        del alike[_OF_A_LENGTH:]


def _only_tensor(
    kinds: list[tuple[TensorPlace, TensorType]],
) -> tuple[str, tuple[int, ...], np.dtype[np.generic], int, int] | None:
    """What the quickest way needs: a single short tensor whose bytes are its elements, exactly as many as its shape."""
    place, kind = kinds[0] if len(kinds) == 1 else (None, None)
    if place is None or kind is None or kind.datatype in (BYTES, "BOOL"):
        return None
    if not place.content and kind.form != "fixed":
        return None
    dtype, size = DTYPES[kind.datatype], place.stop - place.start
    count = 1
    for length in place.shape:
        count *= length
    if not 0 < size <= _COPIED or count * dtype.itemsize != size:
        return None
    return place.name, place.shape, dtype, place.start, place.stop


def _check(spec: ModelSpec, names: Sequence[str], outputs: Sequence[str], signature: Signature) -> None:
    """Check a request's names. Raises InvalidInputError in TensorFlow Serving's words."""
    check_signature_name(spec.signature, "predict", signature)
    inputs = {item.name for item in signature.inputs}
    required = {item.name for item in signature.inputs if not item.optional}
    extra, missing = sorted(set(names) - inputs), sorted(required - set(names))
    if extra or missing:
        near = did_you_mean(extra[0], missing or inputs) if extra else ""
        raise InvalidInputError(
            f"input size does not match signature: {len(names)}!={len(inputs)} len({{{_listed(sorted(names))}}}) != "
            f"len({{{_listed(sorted(inputs))}}}). Sent extra: {{{_listed(extra)}}}. "
            f"Missing but required: {{{_listed(missing)}}}.{near}"
        )
    known = {item.name for item in signature.outputs}
    for name in outputs:
        if name not in known:
            raise InvalidInputError(
                f"output tensor alias not found in signature: {name[:200]}{did_you_mean(name, known)} "
                f"Outputs expected to be in the set {{{_listed(sorted(known))}}}."
            )
    if len(set(outputs)) != len(outputs):
        twice = next(name for name in outputs if list(outputs).count(name) > 1)
        raise InvalidInputError(f"duplicate output tensor alias: {twice}")


def _listed(names: Sequence[str]) -> str:
    return ",".join(name[:100] for name in names[:50])


def _careful_array(name: str, tensor: Any, signature: Signature) -> Array:
    """One tensor of a message that protobuf has read."""
    declared = tensor.tensor_shape
    shape = None if declared.unknown_rank else [dim.size for dim in declared.dim[:65]]
    kind = check_declared(signature.input(name), tensor.dtype, shape)
    assert shape is not None
    if tensor.tensor_content:
        return array_from_content(name, kind, shape, memoryview(tensor.tensor_content))
    for descriptor, _ in tensor.ListFields():
        check_field(name, kind, descriptor.number)
    values = getattr(tensor, kind.field)
    if kind.form == "strings":
        flat: Array = np.empty(len(values), np.object_)
        flat[:] = list(values)
    elif kind.form == "fixed" or kind.datatype in ("BOOL", "UINT64", "INT64", "UINT32"):
        flat = np.array(values, DTYPES[kind.datatype])
    else:
        flat = from_numbers(name, kind, np.array(values, np.int32))
    return array_from_values(name, kind, shape, flat)
