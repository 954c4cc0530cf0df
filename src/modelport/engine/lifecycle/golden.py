"""Golden requests: what a model was seen to answer, stored with it and asked again before a version is ready.

The table `[warmup]` of a model's `modelport.toml` names files. A JSON file is an Open Inference request; where its
`outputs` have `data`, that is what must come back. An `.npz` file holds arrays by the names of inputs and outputs
(`inputs/x` and `outputs/x` where an output is called like an input). Without outputs a request warms up, no more.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.model_file import NAME, ModelFile
from modelport.core.datatypes import BYTES, FLOATS, Array, bytes_array, dtype_of
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelportError
from modelport.core.runtime import LoadedModel
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.lifecycle.samples import Sample, run_samples
from modelport.wire.http import HttpCall
from modelport.wire.json_tensors import array_from_json, loads
from modelport.wire.open_inference import OpenInference

_OPEN_INFERENCE = OpenInference()


@dataclass(frozen=True, slots=True)
class WarmupOptions:
    """The table `[warmup]`: patterns of files below the model's folder, and how close numbers must come.

    `samples` are requests that are described: they only warm up.
    """

    requests: tuple[str, ...] = ()
    rtol: float = 1e-3
    atol: float = 1e-5
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Golden:
    """A stored request, and the outputs that are right; those that it does not have are not compared."""

    file: Path
    inputs: dict[str, Array]
    expected: dict[str, Array] = field(default_factory=dict)


def prove(loaded: LoadedModel, signature: Signature, settings: ModelFile) -> int:
    """Run all that is stored with a model; gives how many requests that were.

    Raises InvalidModelError naming the file, the output, where it differs, what was expected and what came.
    """
    options = settings.section("warmup", WarmupOptions)
    run_samples(loaded, signature, options.samples, settings.folder)
    count = 0
    for file in stored_files(settings.folder, options.requests):
        golden = read_golden(file, signature)
        _ask(loaded, golden, options)
        count += 1
    return count


def stored_files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """The files that the patterns mean, in order. Raises InvalidModelError for a pattern that means none."""
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise InvalidModelError(f"{NAME}: [warmup] requests: {pattern!r} leads out of the model's folder")
        files = sorted(file for file in folder.glob(pattern) if file.is_file())
        if not files:
            raise InvalidModelError(f"{NAME}: [warmup] requests: there is no file {pattern!r} in {folder}")
        yield from files


def read_golden(file: Path, signature: Signature) -> Golden:
    """A stored request. Raises InvalidModelError naming the file."""
    try:
        golden = (_from_npz if file.suffix == ".npz" else _from_json)(file, signature)
        for name, array in golden.expected.items():
            _check_expected(signature.output(name), array)
    except (ModelportError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidModelError(f"golden request {file}: {error}") from None
    return golden


def _from_json(file: Path, signature: Signature) -> Golden:
    document = loads(file.read_bytes())
    if not isinstance(document, dict) or not isinstance(document.get("outputs", []), list):
        raise InvalidInputError("it is not a request of the Open Inference Protocol, with inputs and outputs")
    outputs = document.pop("outputs", [])
    request, _ = _OPEN_INFERENCE.decode(HttpCall(json.dumps(document).encode()), signature)
    return Golden(file, dict(request.inputs), dict(_expected(output, signature) for output in outputs))


def _expected(output: Any, signature: Signature) -> tuple[str, Array]:
    if not isinstance(output, dict) or not isinstance(output.get("data"), list) or "name" not in output:
        raise InvalidInputError("each of its outputs must have a name, a shape and data")
    spec = signature.output(str(output["name"]))
    shape, datatype = output.get("shape"), output.get("datatype", spec.datatype)
    if not isinstance(shape, list):
        raise InvalidInputError(f"output {spec.name!r} has no shape")
    dtype_of(datatype)
    return spec.name, array_from_json(spec.name, datatype, shape, output["data"])


def _from_npz(file: Path, signature: Signature) -> Golden:
    with np.load(file, allow_pickle=False) as arrays:
        given = {name: arrays[name] for name in arrays.files}
    inputs = {spec.name: _pick(given, "inputs", spec) for spec in signature.inputs if _named(given, "inputs", spec)}
    taken = {f"inputs/{name}" for name in inputs} | inputs.keys()
    expected = {
        spec.name: _pick(given, "outputs", spec) for spec in signature.outputs if _named(given, "outputs", spec)
    }
    expected = {name: array for name, array in expected.items() if name not in taken or f"outputs/{name}" in given}
    unknown = given.keys() - taken - expected.keys() - {f"outputs/{name}" for name in expected}
    if unknown:
        raise InvalidInputError(f"it has {', '.join(sorted(unknown))}, which the model neither takes nor gives")
    signature.check_inputs(inputs)
    return Golden(file, inputs, expected)


def _named(given: Mapping[str, Array], side: str, spec: TensorSpec) -> bool:
    return f"{side}/{spec.name}" in given or spec.name in given


def _pick(given: Mapping[str, Array], side: str, spec: TensorSpec) -> Array:
    array = given.get(f"{side}/{spec.name}", given.get(spec.name))
    assert array is not None
    return bytes_array(array) if spec.datatype == BYTES else array


def _check_expected(spec: TensorSpec, array: Array) -> None:
    if array.dtype != dtype_of(spec.datatype) or not spec.fits(array.shape):
        raise InvalidInputError(
            f"its output {spec.name!r} is {array.dtype} {list(array.shape)}, but the model gives {spec.describe()}"
        )


def _ask(loaded: LoadedModel, golden: Golden, options: WarmupOptions) -> None:
    try:
        got = loaded.predict(golden.inputs)
    except ModelportError as error:
        raise InvalidModelError(f"golden request {golden.file} failed: {error}") from error
    for name, expected in golden.expected.items():
        difference = differs(expected, got[name], options.rtol, options.atol)
        if difference:
            raise InvalidModelError(f"golden request {golden.file}: output {name!r} {difference}")


def differs(expected: Array, got: Array, rtol: float, atol: float) -> str:
    """How `got` differs from what was expected, in words; empty where it does not."""
    if expected.shape != got.shape:
        return f"has the shape {list(got.shape)}; expected is {list(expected.shape)}"
    if expected.dtype.name in _FLOAT_NAMES:
        same = np.isclose(got.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)
    else:
        same = np.asarray(got == expected)
    if same.all():
        return ""
    at = tuple(int(index) for index in np.argwhere(~same)[0])
    wrong = int((~same).sum())
    others = f", and {wrong - 1} more of {same.size} differ" if wrong > 1 else ""
    return f"at {list(at)}: expected {expected[at]!s}, got {got[at]!s} (rtol {rtol:g}, atol {atol:g}){others}"


_FLOAT_NAMES = frozenset(dtype_of(name).name for name in FLOATS)
