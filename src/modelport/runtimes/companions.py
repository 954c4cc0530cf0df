"""The files beside a model's file that belong to it: weights in a second file, and the code of a network.

Imports no framework: who watches for changes, names a model by its digest or asks whom to trust needs these files too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modelport.core.errors import InvalidInputError, InvalidModelError

#: Files of weights that come with the Python module of their network.
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def companions(path: Path, options: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The files that belong to the model's file at `path`; none for a folder, which holds all that is the model's.

    `options` are those of its runtime, which may name a file. Raises as `code_file` does.
    """
    if path.is_dir():
        return ()
    suffix = path.suffix.lower()
    if suffix == ".xml":
        weights = path.with_suffix(".bin")
        return (weights,) if weights.is_file() else ()
    code = code_file(path, options or {}) if suffix in _WEIGHTS else None
    return () if code is None else (code,)


def code_file(path: Path, options: Mapping[str, str]) -> Path | None:
    """The module of the model at `path`: the option's, `<name>.py` beside its file, or `model.py`; None: none there.

    Raises InvalidInputError for an option that leads out of the folder, InvalidModelError where its file is missing.
    """
    folder = path if path.is_dir() else path.parent
    named = options.get("module")
    if named is not None:
        if Path(named).name != named:
            raise InvalidInputError(
                f"option 'module' is {named!r}; it names a file in the model's own folder: 'net.py'"
            )
        file = folder / (named if named.endswith(".py") else f"{named}.py")
        if not file.is_file():
            raise InvalidModelError(f"{path.name}: the option 'module' names {file.name}, which is not beside it")
        return file
    names = ("model.py",) if path.is_dir() else (f"{path.stem}.py", "model.py")
    return next((folder / name for name in names if (folder / name).is_file()), None)
