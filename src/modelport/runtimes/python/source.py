"""A model's class, from a Python file."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from modelport.core.errors import InvalidModelError, ModelportError
from modelport.core.nearest import did_you_mean

MODEL_FILE = "model.py"
_numbers = itertools.count()


def source_file(path: Path) -> Path:
    """The file itself, or `model.py` of a folder. Raises InvalidModelError where there is none."""
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise InvalidModelError(f"{path.name}: there is no file {file}")
    return file


def model_class(file: Path, wanted: str = "") -> type[Any]:
    """Run the file, and give the class named `wanted`, or the only one in it that has a method `predict`.

    Modules beside the file can be imported by it. Raises InvalidModelError saying what is wrong, and in which line.
    """
    module = _module(file)
    classes: dict[str, type[Any]] = {name: item for name, item in vars(module).items() if _is_model(item, module)}
    if wanted:
        found = vars(module).get(wanted)
        if not inspect.isclass(found) or not callable(getattr(found, "predict", None)):
            near = did_you_mean(wanted, classes)
            raise InvalidModelError(f"{file.name} has no class {wanted!r} with a method predict{near}")
        chosen: type[Any] = found
        return chosen
    if len(classes) == 1:
        return next(iter(classes.values()))
    if not classes:
        raise InvalidModelError(f"{file.name} has no class with a method predict(self, …)")
    raise InvalidModelError(
        f"{file.name} has {len(classes)} classes with a method predict ({', '.join(classes)}); "
        f'say which in modelport.toml: [runtime] options = {{class = "{next(iter(classes))}"}}'
    )


def failure_place(error: BaseException, file: Path) -> str:
    """` (line 12)`, where an error comes from the model's file; else an empty text."""
    if isinstance(error, SyntaxError) and error.lineno and error.filename == str(file):
        return f" (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f" (line {lines[-1]})" if lines else ""


def _is_model(item: Any, module: ModuleType) -> bool:
    return (
        inspect.isclass(item)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
        and callable(getattr(item, "predict", None))
    )


def _module(file: Path) -> ModuleType:
    folder = str(file.parent.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(f"modelport_model_{next(_numbers)}", file.absolute())
    if spec is None or spec.loader is None:
        raise InvalidModelError(f"{file.name} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (ModelportError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise InvalidModelError(
            f"{file.name}{failure_place(error, file)} needs the module {error.name!r}, which is not installed; "
            "name its package in requirements.txt beside it"
        ) from None
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise InvalidModelError(
            f"{file.name} can't be run{failure_place(error, file.absolute())}: {type(error).__name__}: {error}"
        ) from error
    return module
