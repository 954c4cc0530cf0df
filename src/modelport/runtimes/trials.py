"""Files whose library can be crashed by a changed byte are tried out in a process of their own, once.

What was tried out is remembered by the file's digest and the library's version in `MODELPORT_HOME` (or
`~/.cache/modelport`), so that no other worker and no later start does it again.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import subprocess
import time
from contextlib import ExitStack, suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from modelport.core.errors import InvalidModelError
from modelport.runtimes.isolation.child import exit_text
from modelport.runtimes.isolation.environments import home
from modelport.runtimes.isolation.spawning import own_interpreter, worker_environment

_log = logging.getLogger("modelport.runtimes")
#: Formats whose files are tried out.
TRIED = frozenset({"xgboost", "lightgbm", "catboost"})
_SECONDS = 300.0


def check_by_trial(path: Path, format: str) -> None:  # noqa: A002 - the word of the field
    """Raise InvalidModelError for a file that can end the process that loads it, or that predicts with it.

    Takes about as long as the library takes to be imported, the first time; then as long as it takes to read the file.
    """
    version = _version(format)
    if format not in TRIED or not path.is_file() or not version:
        return
    with ExitStack() as held:
        mark = _mark(path, format, version, held)
        if mark is not None and mark.exists():
            return
        begin = time.monotonic()
        _try(path, format, version)
        _log.info("%s was tried out in a process of its own (%.1f s), once", path.name, time.monotonic() - begin)
        if mark is not None:
            mark.touch()


def _version(package: str) -> str:
    """The version of the library; empty where it is not installed, which loading the model then says."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return ""
    for name in (package, f"{package}-cpu"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return f"of {Path(found.origin).stat().st_mtime_ns}"  # by another name: what is installed anew is another


def _mark(path: Path, format: str, version: str, held: ExitStack) -> Path | None:  # noqa: A002
    """The file that says that it was tried out, its lock held; None where nothing can be kept."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        folder = home() / "trials"
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f"{digest[:32]}-{format}-{version}"
        if not mark.exists():
            lock = held.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # other workers wait for the first one's
    except OSError as error:
        _log.debug("trials can't be remembered: %s", error)
        return None
    return mark


def _try(path: Path, format: str, version: str) -> None:  # noqa: A002
    command = [own_interpreter(), "-P", "-m", "modelport.runtimes.boosting.trial", format, str(path.absolute())]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment(1),
            timeout=_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidModelError(
            f"{path.name} is damaged: {format} {version} did not come to an end with it within {_SECONDS:g} s"
        ) from None
    if done.returncode == 1 and done.stdout:
        raise InvalidModelError(done.stdout.decode("utf-8", "replace").strip())
    if done.returncode:
        raise InvalidModelError(
            f"{path.name} is damaged: a process that tried it out with {format} {version} {exit_text(done.returncode)}"
        )
