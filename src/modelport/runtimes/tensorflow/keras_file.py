"""What a Keras file says of itself, and what is dangerous in it, read before Keras touches it.

A `.keras` file is a zip archive with `config.json`, `metadata.json` and `model.weights.h5`; an `.h5` file has the
configuration in an attribute. A configuration names Python classes and functions to call with arguments of its choice:
only Keras's own may stand there, and none that runs code or reads files of its choice.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py

from modelport.core.errors import InvalidModelError
from modelport.runtimes.archives import check_member_name

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
#: An archive may not unpack to more than this many times its size, if that is much.
_RATIO, _MUCH = 100, 1 << 30
_DEEPEST = 200
#: Layers that run code from the file.
_CODE = frozenset({"Lambda", "__lambda__", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
_FUNCTIONS = ("keras.activations", "keras.losses", "keras.metrics", "keras.initializers", "keras.ops", "keras.src.")
#: Arguments that Keras takes a path for; in a file that is whole they hold the words themselves, or nothing.
_PATHS = frozenset({"vocabulary", "idf_weights", "filepath", "file_path"})


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A Keras model's file: `kind` is `keras` or `h5`, `config` the configuration, `version` Keras's."""

    path: Path
    kind: str
    config: dict[str, Any]
    version: str


def read_keras(path: Path) -> KerasFile:
    """The outline of the file at `path`, checked. Raises InvalidModelError saying what is wrong with it."""
    if not path.is_file():
        raise InvalidModelError(f"there is no file {path}")
    with _named_errors(path):
        if zipfile.is_zipfile(path):
            file = _from_archive(path)
        else:
            with h5py.File(path, "r") as hdf:
                file = _from_hdf(path, hdf)
    check_config(file.config, path.name)
    return file


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        with path.open("rb") as file:
            head = file.read(8)
        known = head.startswith((b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"))
        what = "is cut short or damaged" if known else "is not a Keras model (.keras or .h5)"
        raise InvalidModelError(f"{path.name} {what}: {str(error)[:300]}") from None


def _from_archive(path: Path) -> KerasFile:
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, path)
        names = archive.namelist()
        missing = [name for name in (_CONFIG, _METADATA, _WEIGHTS) if name not in names]
        if missing:
            raise InvalidModelError(f"{path.name} is a zip archive, but not a Keras one: it lacks {missing[0]}")
        config, metadata = (_document(archive.read(name), f"{path.name}/{name}") for name in (_CONFIG, _METADATA))
        with archive.open(_WEIGHTS) as weights:
            _check_weights(weights, path)
    return KerasFile(path, "keras", config, str(metadata.get("keras_version", "")))


def _from_hdf(path: Path, hdf: Any) -> KerasFile:
    text = hdf.attrs.get("model_config")
    if text is None:
        weights = "layer_names" in hdf.attrs or "layers" in hdf
        why = (
            "weights only: save the whole model with model.save(…)" if weights else "no model_config: it is not Keras's"
        )
        raise InvalidModelError(f"{path.name} is an HDF5 file with {why}")
    _check_group(hdf, path, path.stat().st_size)
    version = hdf.attrs.get("keras_version", "")
    config = _document(text if isinstance(text, bytes) else str(text).encode(), f"{path.name}: model_config")
    return KerasFile(path, "h5", config, version.decode() if isinstance(version, bytes) else str(version))


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidModelError(f"{name} is not JSON: the file is damaged") from None
    if not isinstance(document, dict):
        raise InvalidModelError(f"{name} must be a JSON object")
    return document


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    for item in archive.infolist():
        check_member_name(item.filename, path.name)
    size = sum(item.file_size for item in archive.infolist())
    _check_size(size, path.stat().st_size, path)


def _check_size(unpacked: int, packed: int, path: Path) -> None:
    if unpacked > _MUCH and unpacked > _RATIO * packed:
        raise InvalidModelError(
            f"{path.name} has {packed} bytes and would unpack to {unpacked}, more than {_RATIO} times as many"
        )


def _check_weights(weights: IO[bytes], path: Path) -> None:
    with h5py.File(weights, "r") as hdf:
        _check_group(hdf, path, path.stat().st_size)


def _check_group(hdf: Any, path: Path, packed: int) -> None:
    """Refuse data that lies in other files, and more of it than the file can hold."""
    total, waiting, seen = 0, [hdf], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InvalidModelError(f"{path.name}: its part {name!r} is a link to the file {link.filename!r}")
            item = group[name]
            if isinstance(item, h5py.Group):
                place = h5py.h5o.get_info(item.id).addr
                if place not in seen:
                    seen.add(place)
                    waiting.append(item)
                continue
            if item.external or item.is_virtual:
                raise InvalidModelError(f"{path.name}: the data of its part {item.name!r} lies in other files")
            total += item.nbytes
    _check_size(total, packed, path)


def check_config(config: Any, name: str) -> None:
    """Raise InvalidModelError where a configuration would run code, or read files of its choice."""
    waiting: list[tuple[Any, int]] = [(config, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InvalidModelError(f"{name}: its configuration is nested more than {_DEEPEST} deep")
        if isinstance(value, dict):
            _check_object(value, name)
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            waiting.extend((item, depth + 1) for item in value)


def _check_object(value: dict[str, Any], name: str) -> None:
    kind, module, registered = value.get("class_name"), value.get("module"), value.get("registered_name")
    if kind in _CODE:
        raise InvalidModelError(
            f"{name} has a {kind!r} layer, which runs Python code from the file; such files are not loaded. "
            "Write the layer with Keras's own layers, or save the model as a SavedModel: model.export(folder)"
        )
    if kind == "TFSMLayer":
        raise InvalidModelError(f"{name} has a 'TFSMLayer', which loads another model's folder: serve that one")
    if isinstance(module, str) and not (module == "keras" or module.startswith("keras.")) and registered:
        raise InvalidModelError(
            f"{name} needs the Python class or function {registered!r} of {module!r}, which is not Keras's own and not "
            "in the file: save the model as a SavedModel, which needs no classes: model.export(folder)"
        )
    if isinstance(module, str) and not (module in ("keras", "builtins") or module.startswith("keras.")):
        raise InvalidModelError(f"{name} names {kind!r} of the Python module {module!r}, which is not Keras's own")
    if kind == "function" and isinstance(module, str) and not module.startswith((*_FUNCTIONS, "builtins")):
        raise InvalidModelError(f"{name} names a function of {module!r}, where no model's functions are")
    for key in _PATHS & value.keys():
        if isinstance(value[key], str) and value[key]:
            raise InvalidModelError(f"{name} names the file {value[key][:200]!r} as its {key}: it must hold it itself")
