"""The environment that an MLflow folder names: packages for pip, and the Python that it was saved with.

Read by the server, which makes the environment before a process of the model starts.
Source: MLflow "Managing Dependencies in MLflow Models" (requirements.txt, python_env.yaml, conda.yaml).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.runtimes.repositories.mlflow import read_yaml

REQUIREMENTS, VIRTUAL, CONDA = "requirements.txt", "python_env.yaml", "conda.yaml"
#: What conda.yaml names beside the packages of the model: the interpreter, and what installs.
_TOOLS = frozenset(("python", "pip", "setuptools", "wheel"))
_LEAST = (3, 11)


def requirements_in(folder: Path, kept: Path) -> Path | None:
    """The folder's file of requirements; one made in `kept` of what its conda.yaml says; None: it names none.

    Raises InvalidModelError for packages that pip can't install.
    """
    beside = folder / REQUIREMENTS
    if beside.is_file():
        return beside
    if not (folder / CONDA).is_file():
        return None
    return _from_conda(folder, kept)


def python_for(folder: Path) -> str:
    """The interpreter for what was saved with another Python than this one's; empty where this one's does.

    Raises InvalidModelError where there is none: code that was pickled by one version does not run in another.
    """
    written = _version(folder)
    found = re.match(r"(\d+)\.(\d+)", written)
    if found is None or (wanted := (int(found[1]), int(found[2]))) == sys.version_info[:2]:
        return ""
    name = f"python{wanted[0]}.{wanted[1]}"
    if wanted >= _LEAST and shutil.which(name):
        return name
    why = f"no {name} was found" if wanted >= _LEAST else "Modelport needs Python 3.11 or later"
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    raise InvalidModelError(
        f"{folder.name} was saved with Python {written}, and {why}: save it again, or try another interpreter with "
        f'[process] python = "{own}" in modelport.toml'
    )


def _version(folder: Path) -> str:
    """The version of Python that the folder says, in one of the places where it may stand."""
    if (folder / VIRTUAL).is_file():
        said = read_yaml(folder / VIRTUAL, f"{folder.name}/{VIRTUAL}").get("python")
        if said is not None:
            return str(said)
    flavours = read_yaml(folder / "MLmodel", f"{folder.name}/MLmodel").get("flavors")
    own = flavours.get("python_function") if isinstance(flavours, dict) else None
    return str(own.get("python_version") or "") if isinstance(own, dict) else ""


def _from_conda(folder: Path, kept: Path) -> Path | None:
    where = f"{folder.name}/{CONDA}"
    packages: list[str] = []
    others: list[str] = []
    for item in _list(read_yaml(folder / CONDA, where).get("dependencies")):
        if isinstance(item, dict):
            packages += map(str, _list(item.get("pip")))
        elif re.split(r"[\s<>=!]", str(item), maxsplit=1)[0] not in _TOOLS:
            others.append(str(item))
    if others:
        raise InvalidModelError(
            f"{where} names packages of conda ({', '.join(others)}), which pip can't install: write a {REQUIREMENTS} "
            'beside it, or [process] requirements = "none" in modelport.toml to use the server\'s own packages'
        )
    if not packages:
        return None
    text = "\n".join(packages) + "\n"
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.txt"
    file.write_text(text, encoding="utf-8")
    return file


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
