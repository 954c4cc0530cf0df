"""MLflow model folders: the flavour's own file, served by its own runtime.

Source: MLflow "Models" (storage format, flavours, signatures and input examples).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError, MissingExtraError
from modelport.runtimes.repositories.described import Described, inside
from modelport.runtimes.repositories.mlflow_signature import hints

NAME = "MLmodel"
Flavour = dict[str, Any]


def describe_mlflow(folder: Path) -> Described | None:
    """The model in a folder with an `MLmodel`; None where there is none.

    Raises InvalidModelError, and MissingExtraError where no YAML can be read.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    document = read_yaml(file, f"{folder.name}/{NAME}")
    flavours = document.get("flavors")
    if not isinstance(flavours, dict) or not flavours:
        raise InvalidModelError(f"{folder.name}/{NAME} names no flavors: it is no MLflow model")
    found = next(_native(folder, flavours), None)
    if found is None and isinstance(flavours.get("python_function"), dict):
        return Described(folder.name, {1: folder}, files=(file,))  # MLflow itself reads its signature
    if found is None:
        return Described(folder.name, {1: folder}, problem=_why(flavours), files=(file,))
    name, path = found
    tables, warnings = hints(folder, document, name)
    return Described(folder.name, {1: path}, tables, tuple(warnings), files=(file,))


def read_yaml(file: Path, where: str) -> dict[str, Any]:
    """A YAML file of plain values. Raises InvalidModelError or MissingExtraError."""
    try:
        import yaml  # noqa: PLC0415 - brought by an extra
    except ImportError:
        raise MissingExtraError(
            f"{where} is YAML, which needs 'pyyaml', which is not installed: pip install 'modelport[mlflow]'"
        ) from None
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InvalidModelError(f"{where} can't be read: {error}") from None
    if not isinstance(document, dict):
        raise InvalidModelError(f"{where} must hold a mapping, not {type(document).__name__}")
    return document


def _native(folder: Path, flavours: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The flavours that Modelport has a runtime for, and their files."""
    for name, where in _PATHS.items():
        flavour = flavours.get(name)
        if isinstance(flavour, dict):
            path = where(folder, flavour)
            if path is not None:
                yield name, path


def _named(*keys: str) -> Callable[[Path, Flavour], Path | None]:
    """The file that one of the keys names."""

    def path(folder: Path, flavour: Flavour) -> Path | None:
        name = next((flavour[key] for key in keys if isinstance(flavour.get(key), str)), None)
        return None if name is None else inside(folder, name, f"{folder.name}/{NAME}")

    return path


def _torch(folder: Path, flavour: Flavour) -> Path | None:
    """`data/model.pth`, or the program that it was exported to."""
    data = inside(folder, str(flavour.get("model_data", "data")), f"{folder.name}/{NAME}")
    return next((path for path in (data / "model.pt2", data / "model.pth") if path.is_file()), data / "model.pth")


def _tensorflow(folder: Path, flavour: Flavour) -> Path | None:
    """A SavedModel's folder, or what Keras saved below `data`."""
    saved = flavour.get("saved_model_dir") or flavour.get("data") or "data"
    data = inside(folder, str(saved), f"{folder.name}/{NAME}")
    if data.is_file() or (data / "saved_model.pb").is_file():
        return data
    names = ("model.keras", "model.h5", "model")
    return next((data / name for name in names if (data / name).exists()), None)


#: Flavour → where its model is, in the order of preference where a folder has several.
_PATHS: dict[str, Callable[[Path, Flavour], Path | None]] = {
    "onnx": _named("data"),
    "xgboost": _named("data"),
    "lightgbm": _named("data"),
    "catboost": _named("data"),
    "sklearn": _named("pickled_model", "model_path"),
    "tensorflow": _tensorflow,
    "keras": _tensorflow,
    "pytorch": _torch,
}


def _why(flavours: dict[str, Any]) -> str:
    """Why no flavour can be served."""
    return (
        f"its flavours are {', '.join(map(str, flavours))}; Modelport serves {', '.join(_PATHS)}, and what has "
        "python_function beside its own flavour: save it again by its flavour's save_model"
    )
