"""Environments of Python for models that name their own requirements: made once, kept in a cache.

They are made by `venv` and pip in `MODELPORT_HOME`, or in `~/.cache/modelport`, under a name that stands for the
requirements and the interpreter. Beside what the requirements say, each has the few packages that a model's process
itself needs. Modelport is not installed into it: it is found by a link, so that nothing else that is installed beside
Modelport can be imported there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelport.core.errors import InvalidModelError, UnavailableError
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.isolation.spawning import PACKAGE, own_interpreter
from modelport.runtimes.mlflow import environment as mlflow

#: What a model's process imports, whatever the model.
NEEDED = ("ml-dtypes>=0.5", "msgspec>=0.19", "numpy>=2.0")
NO_REQUIREMENTS = "none"
BESIDE = "requirements.txt"
_COMPLETE = "complete"
_SHOWN = 4000
_PROBE = "import sys; print(sys.version)"


def interpreter_for(path: Path, format: str, options: ProcessOptions) -> tuple[str, tuple[Path, ...]]:  # noqa: A002
    """The interpreter that a model's process runs on, and where it finds Modelport (empty: where this process does).

    Takes as long as pip takes, the first time. Raises InvalidModelError with pip's own words where it fails.
    """
    requirements = requirements_file(path, format, options)
    named = options.python
    if format == "mlflow" and requirements is not None:
        named = named or mlflow.python_for(path)
    if requirements is None and not named:
        return own_interpreter(), ()
    python = _interpreter(named)
    if requirements is not None:
        python = str(environment_for(requirements, python) / "bin" / "python")
    return python, (_link(),)


def environment_for(requirements: Path, python: str) -> Path:
    """The folder of the environment for a file of requirements, made where it is not there yet."""
    text = _content(requirements)
    key = "\n".join((text, *NEEDED, _version_of(python), os.path.realpath(python)))
    folder = home() / "environments" / hashlib.sha256(key.encode()).hexdigest()[:24]
    if not (folder / _COMPLETE).exists():
        with _locked(folder):
            if not (folder / _COMPLETE).exists():
                _make(folder, requirements, python)
    return folder


def home() -> Path:
    """The folder for what is kept between runs."""
    named = os.environ.get("MODELPORT_HOME")
    return Path(named) if named else Path.home() / ".cache" / "modelport"


def requirements_file(path: Path, format: str, options: ProcessOptions) -> Path | None:  # noqa: A002
    """The file of requirements that a model's process is to have; None for none. Raises InvalidModelError."""
    folder = path if path.is_dir() else path.parent
    if options.requirements == NO_REQUIREMENTS:
        return None
    if not options.requirements:
        if format == "mlflow":
            return mlflow.requirements_in(folder, home() / "requirements")
        beside = folder / BESIDE
        return beside if format == "python" and beside.is_file() else None
    file = folder / options.requirements
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InvalidModelError(f"requirements {options.requirements!r} in [process] lead out of the model's folder")
    if not file.is_file():
        raise InvalidModelError(
            f"requirements {options.requirements!r} in [process]: there is no such file in {folder}"
        )
    return file


def _content(requirements: Path) -> str:
    try:
        return requirements.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"{requirements} can't be read: {error}") from None


def _interpreter(named: str) -> str:
    found = shutil.which(named or own_interpreter())
    if found is None:
        raise InvalidModelError(f"python {named!r} in [process]: there is no such program")
    return found


def _version_of(python: str) -> str:
    return _run([python, "-c", _PROBE], f"{python} does not run")


def _make(folder: Path, requirements: Path, python: str) -> None:
    if folder.exists():  # whoever began it did not come to an end
        shutil.rmtree(folder)
    try:
        _run([python, "-m", "venv", str(folder)], f"the environment for {requirements} can't be made")
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "-q",
        ]
        failed = f"the packages of {requirements} can't be installed"
        _run([*pip, "-r", str(requirements.absolute()), *NEEDED], failed, requirements.parent)
        (folder / _COMPLETE).touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(command: list[str], failed: str, folder: Path | None = None) -> str:
    """What a command prints. Raises InvalidModelError with it where the command fails."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(  # noqa: S603 - the owner of a model that may run code names what it needs
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            check=False,
        )
    except OSError as error:
        raise InvalidModelError(f"{failed}: {error}") from None
    text = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        raise InvalidModelError(f"{failed} (exit status {done.returncode}):\n{text[-_SHOWN:]}")
    return text


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time makes an environment; the others wait for it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise UnavailableError(
            f"environments of models are kept in {folder.parent}, which can't be written: {error.strerror}; "
            "MODELPORT_HOME names another folder"
        ) from None


def _link() -> Path:
    """A folder with a link to Modelport's package, and nothing else."""
    folder = home() / "packages" / hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (folder / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
    return folder
