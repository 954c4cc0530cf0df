"""PMML4S, the evaluator, in a Java virtual machine inside of this process: one for all models, started for the first.

The other way that pypmml has, a machine of its own behind a local socket, lets every user of the host run code in it.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError, MissingExtraError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jpype
    from pypmml import Model, PMMLContext, PMMLError, __version__

VERSION: str = __version__
#: The machine must leave the process's signals alone (-Xrs): SIGTERM is the server's, who drains before it ends.
_OPTIONS = ["-Xrs"]
_lock = threading.Lock()


def start_java() -> None:
    """Start the machine if it does not run yet. Raises MissingExtraError where there is no Java."""
    with _lock:
        if PMMLContext.gateway() is not None:
            return
        path = find_java()
        try:
            PMMLContext.getOrCreate(gateway="jpype", java_opts=_OPTIONS, java_path=path)
        except Exception as error:  # what JPype raises differs between its versions and Java's
            raise MissingExtraError(f"the Java of PMML models can't be started ({path}): {error}; {_ADVICE}") from error


_ADVICE = (
    "install a Java runtime, 11 or newer (apt install default-jre-headless, on Debian and Ubuntu), "
    "and set JAVA_HOME where it is in an unusual place"
)


def find_java() -> str:
    """The path of Java's library. Raises MissingExtraError saying what to install."""
    try:
        path = jpype.getDefaultJVMPath()
    except Exception as error:
        raise MissingExtraError(f"PMML models need Java, which is not found: {_ADVICE}") from error
    if not Path(path).is_file():
        raise MissingExtraError(f"PMML models need Java, and {path} is not there: {_ADVICE}")
    return str(path)


def evaluator(text: str, name: str) -> Any:
    """The evaluator of a document. Raises InvalidModelError."""
    try:
        return Model.fromString(text)
    except (PMMLError, jpype.JException) as error:
        raise InvalidModelError(f"{name} can't be loaded by PMML4S (pypmml {VERSION}): {java_text(error)}") from error


def java_text(error: BaseException) -> str:
    """A Java error in one line."""
    return " ".join(str(error).split())[:500].replace("None", "no reason is given") or type(error).__name__
