"""Requests in files, and requests with their answers, as `[warmup] requests` in modelport.toml takes them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from modelport.cli.prediction_input import UnreadableError
from modelport.core.datatypes import BYTES, Array, bytes_array, datatype_of
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.signature import Signature
from modelport.engine.lifecycle.golden import read_golden
from modelport.wire.http import HttpCall
from modelport.wire.json_tensors import dumps, json_elements, loads
from modelport.wire.open_inference import OpenInference

_OPEN_INFERENCE = OpenInference()


def read_request(file: Path, signature: Signature) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    """A request's inputs, and the outputs that it asks for (None: all). Raises UnreadableError naming the file."""
    try:
        return (_from_npz if file.suffix == ".npz" else _from_json)(file, signature)
    except (ModelportError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnreadableError(f"request {file}: {' '.join(str(error).split())}") from None


def _from_json(file: Path, signature: Signature) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    document = loads(file.read_bytes())
    if not isinstance(document, dict) or not isinstance(document.get("outputs", []), list):
        raise InvalidInputError("it is not a request of the Open Inference Protocol, with inputs and outputs")
    named = [item.get("name") if isinstance(item, dict) else None for item in document.pop("outputs", [])]
    outputs = tuple(signature.output(str(name)).name for name in named) or None
    request, _ = _OPEN_INFERENCE.decode(HttpCall(json.dumps(document).encode()), signature)
    return dict(request.inputs), outputs


def _from_npz(file: Path, signature: Signature) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    with np.load(file, allow_pickle=False) as arrays:
        given = {name.removeprefix("inputs/"): arrays[name] for name in arrays.files if "outputs/" not in name}
    inputs = {
        name: bytes_array(array) if signature.input(name).datatype == BYTES else array for name, array in given.items()
    }
    signature.check_inputs(inputs)
    return inputs, None


def write_golden(file: Path, inputs: dict[str, Array], outputs: dict[str, Array], signature: Signature) -> None:
    """Write a request with its answer as .npz or JSON, whole or not at all, and read it back.

    Raises InvalidInputError for what the form can't carry.
    """
    content = _as_npz(inputs, outputs) if file.suffix == ".npz" else _as_json(inputs, outputs)
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f".{file.stem}-{os.getpid()}{file.suffix}")
    try:
        made.write_bytes(content)
        _check(read_golden(made, signature).expected, outputs, file)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)


def _check(read: dict[str, Array], outputs: dict[str, Array], file: Path) -> None:
    """What is read must be what was to be written: no form may lose anything of an answer."""
    for name, array in outputs.items():
        same = read[name].dtype == array.dtype and read[name].shape == array.shape
        if not same or not _equal(read[name], array):
            other = ".json" if file.suffix == ".npz" else ".npz"
            raise InvalidInputError(f"{file.suffix} can't carry the output {name!r} as it is: write {other} instead")


def _equal(one: Array, other: Array) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _as_json(inputs: dict[str, Array], outputs: dict[str, Array]) -> bytes:
    sides = {"inputs": inputs, "outputs": outputs}
    document: dict[str, Any] = {
        side: [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": datatype_of(array),
                "data": json_elements(name, np.ascontiguousarray(array)),
            }
            for name, array in arrays.items()
        ]
        for side, arrays in sides.items()
    }
    return dumps(document)


def _as_npz(inputs: dict[str, Array], outputs: dict[str, Array]) -> bytes:
    buffer = io.BytesIO()
    sides = {"inputs": inputs, "outputs": outputs}
    arrays = {f"{side}/{name}": _plain(array) for side, given in sides.items() for name, array in given.items()}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _plain(array: Array) -> Array:
    """Texts as fixed-width bytes: objects would be a pickle."""
    return array.astype(np.bytes_) if array.dtype == np.object_ else array
