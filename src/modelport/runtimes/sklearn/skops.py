"""Estimators of scikit-learn in skops files, which name the types that they are made of and run no code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from modelport.core.errors import ForbiddenError, InvalidModelError, MissingExtraError, ModelportError
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.sklearn.runtime import WHAT, load_told, sklearn_model
from modelport.runtimes.sklearn.version import version_in_skops
from modelport.runtimes.tables import check_cpu, check_options, one_line

#: The option with further types that may be made, with commas between them.
TRUSTED_TYPES = "trusted_types"
#: Types that skops does not vouch for, and that are values and nothing else.
_HARMLESS = frozenset({"numpy.dtype"})
#: A file may unpack to so many times its own size, and to this many bytes whatever its size.
_MAX_RATIO, _FREE_BYTES = 400, 256 << 20


class SkopsRuntime:
    """Loads skops files. No code of theirs runs: a type that is not known to be safe is refused by its name."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the estimator at `path`.

        `spec.options` are `methods` (names of the methods to serve) and `trusted_types` (full names of types), with
        commas between them. Raises InvalidModelError saying what is wrong with the file, ForbiddenError naming types
        that are not trusted.
        """
        check_options(spec.options, ("methods", TRUSTED_TYPES), WHAT)
        check_cpu(spec.device, WHAT)
        _check_archive(path)
        written = version_in_skops(path)
        trusted = {item.strip() for item in spec.options.get(TRUSTED_TYPES, "").split(",")} - {""}
        estimator = load_told(path, written, lambda: _load(path, trusted))
        return sklearn_model(estimator, spec, path.name, "skops", written)


def _load(path: Path, trusted: set[str]) -> Any:
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - _HARMLESS
        if unknown - trusted:
            raise ForbiddenError(_why_refused(path.name, sorted(unknown - trusted), sorted(unknown | trusted)))
        return skops.io.load(path, trusted=sorted(trusted | _HARMLESS))
    except ModelportError:
        raise
    except UntrustedTypesFoundException as error:
        raise ForbiddenError(f"{path.name}: {one_line(error)}") from None
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path.name} needs the package {error.name!r}, which is not installed") from None
    except Exception as error:
        raise InvalidModelError(
            f"{path.name} can't be loaded by skops {skops.__version__}: {type(error).__name__}: {one_line(error)}"
        ) from error


def _why_refused(name: str, refused: list[str], all_of_them: list[str]) -> str:
    return (
        f"{name} asks for types that are not known to be safe, so that it was not loaded: {', '.join(refused)}. "
        "Where you trust whoever wrote the file, allow them in modelport.toml: "
        f'[runtime.options] {TRUSTED_TYPES} = "{",".join(all_of_them)}"'
    )


def _check_archive(path: Path) -> None:
    """Raise InvalidModelError unless the file is a zip archive of skops' that unpacks to a size in proportion."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            packed = path.stat().st_size
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise InvalidModelError(f"{path.name} is no skops file: it is no zip archive, or is cut short") from None
    if not any(member.filename == "schema.json" for member in members):
        raise InvalidModelError(f"{path.name} is no skops file: the archive has no schema.json")
    if sum(member.file_size for member in members) > max(_FREE_BYTES, _MAX_RATIO * packed):
        raise InvalidModelError(f"{path.name} unpacks to more than {_MAX_RATIO} times its size: a decompression bomb")
