"""Triton's `config.pbtxt`, as a model of ours.

Sources: Triton "Model Configuration", "Model Repository" and `model_config.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.runtimes.repositories.described import Described, inside
from modelport.runtimes.repositories.text_format import Message, parse
from modelport.runtimes.repositories.triton_ensemble import pipeline
from modelport.runtimes.repositories.triton_serving import serving_tables

NAME = "config.pbtxt"
#: What Triton calls a platform or a backend → the files that it looks for in a version's folder, first one first.
_FILES: dict[str, tuple[str, ...]] = {
    "onnxruntime_onnx": ("model.onnx",),
    "onnxruntime": ("model.onnx",),
    "pytorch_libtorch": ("model.pt",),
    "pytorch": ("model.pt", "model.pt2"),
    "tensorflow_savedmodel": ("model.savedmodel",),
    "tensorflow": ("model.savedmodel",),
    "openvino": ("model.xml", "model.onnx", "model.pdmodel"),
    "fil": ("xgboost.json", "xgboost.ubj", "model.txt", "checkpoint.tl"),
}
#: By `model_type`, the parameter of the backend for tree ensembles.
_FIL_FILES = {
    "xgboost": "xgboost.model",
    "xgboost_json": "xgboost.json",
    "xgboost_ubj": "xgboost.ubj",
    "lightgbm": "model.txt",
}
_ENGINE = "a TensorRT engine, which runs only on the very GPU it was built for: serve the ONNX file that it came from"
#: Why a platform or a backend can't be served, and what to do.
_ADVICE = {
    "tensorflow_graphdef": "a frozen TensorFlow graph: save it as a SavedModel",
    "tensorrt_plan": _ENGINE,
    "tensorrt": _ENGINE,
    "python": "code for Triton's Python backend: write its class with `load` and `predict` instead, in a model.py",
    "dali": "a DALI graph: kind = 'image' in modelport.toml makes a model take pictures, decoded on the server",
    "vllm": "a language model for vLLM",
    "tensorrtllm": "a language model for TensorRT-LLM",
}
#: The backends of TorchScript.
_BY_PLACE = frozenset({"pytorch_libtorch", "pytorch"})
#: How Triton calls the arguments and results of a TorchScript model, which has no such names.
_POSITION = re.compile(r"(INPUT|OUTPUT)__\d+")
_DATATYPES = {"TYPE_STRING": "BYTES", "TYPE_FP16": "FP16", "TYPE_BF16": "BF16"}


def describe_triton(folder: Path) -> Described | None:
    """The model in a folder with a `config.pbtxt`; None where there is none. Raises InvalidModelError."""
    file = folder / NAME
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"{file} can't be read: {error}") from None
    config = parse(text, f"{folder.name}/{NAME}")
    warnings: list[str] = []
    named = one(config, "name", folder.name)
    if named != folder.name:
        warnings.append(f"its name is {named!r}, but its folder's is {folder.name!r}, which is what clients call it")
    kind = str(one(config, "platform", "") or one(config, "backend", "") or _guessed(config))
    script = kind in _BY_PLACE and not any(folder.glob("*/model.pt2"))  # an exported program has names of its own
    tensors = _tensors(config, folder, script, warnings)
    tables: dict[str, Any] = {**tensors, **serving_tables(config, folder, warnings)}
    if "ensemble_scheduling" in config:
        tables["pipeline"] = pipeline(config)
        versions = dict.fromkeys(_numbered(folder), file) or {1: file}
        return Described(folder.name, versions, tables, tuple(warnings), files=(file,))
    names, problem = _names(config, kind)
    versions = {number: _artifact(child, names) for number, child in _numbered(folder).items()}
    return Described(folder.name, versions, tables, tuple(warnings), problem, (file, *_label_files(config, folder)))


def one(message: Message, name: str, default: Any = None) -> Any:
    """A field that is there once, or not at all: its last value, as protobuf has it."""
    values = message.get(name)
    return values[-1] if values else default


def _guessed(config: Message) -> str:
    """The backend that a default file's name says, where nothing else does."""
    filename = str(one(config, "default_model_filename", "model.onnx"))
    return next((kind for kind, files in _FILES.items() if filename in files), "onnxruntime")


def _names(config: Message, kind: str) -> tuple[tuple[str, ...], str]:
    """The file names to look for, and why such a model can't be served."""
    named = one(config, "default_model_filename")
    if kind == "fil":
        chosen = _FIL_FILES.get(str(_parameters(config).get("model_type", "xgboost")))
        names = (chosen, *_FILES["fil"]) if chosen else _FILES["fil"]
    elif kind in _FILES:
        names = _FILES[kind]
    else:
        advice = _ADVICE.get(kind, "which is none that Modelport has a runtime for")
        return (), f"Triton runs it on {kind!r}: {advice}"
    return ((str(named),) if named else names), ""


def _parameters(config: Message) -> dict[str, str]:
    """`parameters { key: "x" value { string_value: "y" } }` as a dictionary."""
    found = {}
    for entry in config.get("parameters", []):
        value = one(entry, "value", {})
        found[str(one(entry, "key", ""))] = str(one(value, "string_value", "")) if isinstance(value, dict) else ""
    return found


def _numbered(folder: Path) -> dict[int, Path]:
    """Version → its folder."""
    children = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    names = [child for child in children if child.name.isascii() and child.name.isdigit() and len(child.name) <= 18]
    return {int(child.name): child for child in names if int(child.name)}


def _artifact(child: Path, names: tuple[str, ...]) -> Path:
    """The model of a version: the first of the names that is there; where none is, the first, which loading misses."""
    paths = [inside(child, name, f"{child.parent.name}/{NAME}") for name in names]
    return next((path for path in paths if path.exists()), paths[0] if paths else child)


def _tensors(config: Message, folder: Path, by_place: bool, warnings: list[str]) -> dict[str, Any]:
    """The tables `inputs` and `outputs`: datatypes, shapes, and labels out of their files.

    `by_place`: the model's own tensors take names that say places, in that order.
    """
    batched = int(one(config, "max_batch_size", 0) or 0) > 0
    tables: dict[str, Any] = {}
    for side, title in (("input", "inputs"), ("output", "outputs")):
        made = {}
        for tensor in config.get(side, []):
            name = str(one(tensor, "name", ""))
            if not name:
                raise InvalidModelError(f"{folder.name}/{NAME}: an {side} has no name")
            if _POSITION.fullmatch(name) and not by_place:
                warnings.append(f"{name!r} says a place: clients call the tensor as the model itself does")
                continue
            made[name] = _tensor(tensor, name, batched, warnings)
            if "label_filename" in tensor:
                made[name].update(_labels(inside(folder, str(one(tensor, "label_filename")), f"{folder.name}/{NAME}")))
        if made and all(map(_POSITION.fullmatch, made)):
            made = dict(sorted(made.items(), key=lambda item: int(item[0].rpartition("__")[2])))
        if made:
            tables[title] = made
    return tables


def _tensor(tensor: Message, name: str, batched: bool, warnings: list[str]) -> dict[str, Any]:
    datatype = str(one(tensor, "data_type", "TYPE_INVALID"))
    dims = [int(size) for size in tensor.get("dims", [])]
    if "reshape" in tensor:
        dims = [int(size) for size in one(tensor, "reshape", {}).get("shape", [])]
        warnings.append(f"{name!r} has a reshape: clients send the shape that the model takes, {dims}")
    keys = [key for key in ("is_shape_tensor", "allow_ragged_batch") if one(tensor, key)]
    warnings.extend(f"{key} of {name!r} is not mapped" for key in keys)
    if str(one(tensor, "format", "FORMAT_NONE")) != "FORMAT_NONE":
        warnings.append(
            f"the format of {name!r} is not mapped: kind = 'image' in modelport.toml makes it take pictures"
        )
    return {
        "datatype": _DATATYPES.get(datatype, datatype.removeprefix("TYPE_")),
        "shape": [-1, *dims] if batched else dims,
    }


def _label_files(config: Message, folder: Path) -> Iterator[Path]:
    for tensor in config.get("output", []):
        if "label_filename" in tensor:
            yield folder / str(one(tensor, "label_filename"))


def _labels(path: Path) -> dict[str, Any]:
    """A classification by the lines of a file. Raises InvalidModelError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"the labels in {path} can't be read: {error}") from None
    return {"kind": "classification", "labels": [line.strip() for line in lines if line.strip()]}
