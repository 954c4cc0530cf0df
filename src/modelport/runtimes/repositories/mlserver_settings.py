"""MLServer's `model-settings.json`, as a model of ours.

Source: MLServer "Model Settings", and the files that its runtimes look for where no `uri` is given.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from modelport.core.datatypes import DTYPES
from modelport.core.errors import InvalidModelError
from modelport.runtimes.repositories.described import Described, inside

NAME = "model-settings.json"
#: The runtimes whose models Modelport loads itself, and the files they look for.
_FILES: dict[str, tuple[str, ...]] = {
    "mlserver_sklearn": ("model.joblib", "model.pickle", "model.pkl"),
    "mlserver_xgboost": ("model.bst", "model.json", "model.ubj"),
    "mlserver_lightgbm": ("model.bst", "model.txt"),
    "mlserver_catboost": ("model.cbm", "model.bin"),
    "mlserver_mlflow": ("",),
    "mlserver_onnx": ("model.onnx",),
}
_KNOWN = frozenset({"name", "implementation", "parameters", "inputs", "outputs", "platform", "versions"})
#: What is done otherwise here, so that nothing is lost where it is left out.
_MOOT = frozenset({"parallel_workers", "warm_workers", "metadata"})


def describe_mlserver(folder: Path) -> Described | None:
    """The model in a folder with a `model-settings.json`; None where there is none. Raises InvalidModelError."""
    file = folder / NAME
    if not file.is_file():
        return None
    where = f"{folder.name}/{NAME}"
    settings = _read(file, where)
    name = _text(settings, "name", where) or folder.name
    parameters = settings.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidModelError(f"{where}: 'parameters' must be an object")
    warnings = [f"{key} is not mapped" for key in settings if key not in _KNOWN | _MOOT | _SERVING.keys()]
    version = _text(parameters, "version", where)
    number = _version(version, warnings)
    tables = {**_tensors(settings, where, warnings), **_serving(settings, where, bool(version))}
    path, problem = _artifact(folder, settings, parameters, where)
    return Described(name, {number: path}, tables, tuple(warnings), problem, (file,), joins=True)


def _read(file: Path, where: str) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidModelError(f"{where} can't be read: {error}") from None
    if not isinstance(settings, dict):
        raise InvalidModelError(f"{where} must hold a JSON object")
    return settings


def _text(document: dict[str, Any], name: str, where: str) -> str:
    value = document.get(name) or ""
    if not isinstance(value, str):
        raise InvalidModelError(f"{where}: {name!r} must be a text, not {value!r}")
    return value


def _version(text: str, warnings: list[str]) -> int:
    """`3`, `v3` and `3.0.0` are the version 3; what has no number is the first."""
    found = re.fullmatch(r"v?0*([1-9]\d{0,8})(\.0+)*", text)
    if found:
        return int(found[1])
    if text:
        warnings.append(f"the version {text!r} is no number: it is served as 1")
    return 1


def _artifact(folder: Path, settings: dict[str, Any], parameters: dict[str, Any], where: str) -> tuple[Path, str]:
    """The model's file or folder, and why it can't be served. Raises InvalidModelError."""
    implementation = _text(settings, "implementation", where)
    package = implementation.partition(".")[0]
    if package not in _FILES:
        advice = "write its class with `load` and `predict` in a model.py, which runs in a process of its own"
        return (
            folder,
            f"MLServer runs it by {implementation or 'no implementation'!r}, which is code of its own: {advice}",
        )
    uri = _text(parameters, "uri", where)
    if re.match(r"[a-z][a-z0-9+.-]*://", uri) and not uri.startswith("file://"):
        return folder, f"its model is at {uri}, which is not on this machine: put it into the folder"
    if uri:
        return _inner(inside(folder, uri.removeprefix("file://"), where), package), ""
    paths = [folder / name for name in _FILES[package]]
    return next((path for path in paths if path.exists()), paths[0]), ""


def _inner(path: Path, package: str) -> Path:
    """A `uri` may name the folder that the runtime's own file is in."""
    if path.is_dir() and package != "mlserver_mlflow":
        return next((path / name for name in _FILES[package] if (path / name).exists()), path)
    return path


def _tensors(settings: dict[str, Any], where: str, warnings: list[str]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for title in ("inputs", "outputs"):
        made = {}
        for tensor in settings.get(title) or []:
            if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
                raise InvalidModelError(f"{where}: {title!r} must be objects with a 'name'")
            if tensor.get("datatype") not in DTYPES:
                warnings.append(
                    f"the datatype {tensor.get('datatype')!r} of {tensor['name']!r} is none of the protocol's"
                )
                continue
            made[tensor["name"]] = {"datatype": tensor["datatype"], "shape": list(tensor.get("shape") or [-1])}
        if made:
            tables[title] = made
    return tables


#: MLServer's setting → ours in `[serving]`, and the factor between them.
_SERVING = {"max_batch_size": ("max_batch", 1), "max_batch_time": ("max_delay_ms", 1000), "cache_enabled": ("", 0)}


def _serving(settings: dict[str, Any], where: str, versioned: bool) -> dict[str, Any]:
    """How it runs. All versions that lie side by side are served, as MLServer does."""
    serving: dict[str, Any] = {"versions": "all"} if versioned else {}
    for name, (own, factor) in _SERVING.items():
        value = settings.get(name)
        if own and value:
            if not isinstance(value, int | float):
                raise InvalidModelError(f"{where}: {name!r} must be a number, not {value!r}")
            serving[own] = value * factor
    tables: dict[str, Any] = {"serving": serving} if serving else {}
    if settings.get("cache_enabled"):
        tables["cache"] = {"enabled": True}
    return tables
