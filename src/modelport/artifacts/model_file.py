"""`modelport.toml`: what its owner says about a model, in a file beside it.

In a version tree it lies in the model's folder, or in a version's, which wins. Beside models that lie in one folder as
files, its tables hold for all of them, and those under `[models.NAME]` for one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from modelport.core.errors import InvalidModelError
from modelport.core.nearest import did_you_mean

NAME = "modelport.toml"
#: Every table and value that may stand at the top, and what it is about.
SECTIONS = {
    "description": "what the model is for, in a sentence",
    "inputs": "what each input means, and its shape where the file does not say",
    "outputs": "what each output means",
    "serving": "queues, batches, deadlines",
    "cache": "the response cache",
    "logging": "what is logged of its requests",
    "warmup": "requests that run before the model is ready",
    "sequence": "state that is kept between requests",
    "pipeline": "steps that are other models",
    "runtime": "device, threads and options of the framework",
    "process": "the process of a model that runs in one of its own",
}
#: Those of them whose keys are names of tensors.
TENSORS = ("inputs", "outputs")
_S = TypeVar("_S")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The tables that hold for one model. `folder` is where paths in them begin.

    `shared` are the tensors, as table and name, that are declared only where it is said of several models.
    """

    folder: Path = field(default_factory=Path)
    tables: Mapping[str, Any] = field(default_factory=dict)
    shared: frozenset[tuple[str, str]] = frozenset()

    def section(self, name: str, kind: type[_S]) -> _S:
        """A table as a frozen dataclass whose fields have its keys; missing keys keep their defaults.

        Raises InvalidModelError naming the key that is unknown, or whose value is of another type.
        """
        table = self.tables.get(name, {})
        known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
        for key in table if isinstance(table, dict) else ():
            if key not in known:
                listed = ", ".join(sorted(known))
                raise InvalidModelError(f"{NAME}: [{name}] has no {key!r}{did_you_mean(key, known)}; it has {listed}")
        try:
            return msgspec.convert(table, kind)
        except (msgspec.ValidationError, ValueError) as error:
            raise InvalidModelError(f"{NAME}: [{name}]: {error}") from None


def model_file(
    model: str, *folders: Path, under: Mapping[str, Any] | None = None, shared: Collection[Path] = ()
) -> ModelFile:
    """What the files in the folders say about `model`, the last folder's with the last word; `under` are tables that
    they stand over, and `shared` those of the folders whose files speak of other models too.

    Raises InvalidModelError for a file that is not TOML, and for a table that means nothing.
    """
    tables: Mapping[str, Any] = under or {}
    where = folders[-1] if folders else Path()
    own_tensors, all_tensors = _tensors(tables), set[tuple[str, str]]()
    for folder in folders:
        document = read_tables(folder / NAME)
        own = document.pop("models", {}).get(model, {})
        for part in (document, own):
            _check(part, folder)
            tables = _merged(tables, part)
        own_tensors |= _tensors(own) if folder in shared else _tensors(own) | _tensors(document)
        all_tensors |= _tensors(document)
        where = folder if document or own else where
    return ModelFile(where, tables, frozenset(all_tensors - own_tensors))


def read_tables(path: Path) -> dict[str, Any]:
    """Everything that stands in one file; nothing where there is none. Raises InvalidModelError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise InvalidModelError(f"{path} can't be read: {error}") from None


def _tensors(tables: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The tensors that are declared, as table and name."""
    declared = {side: tables.get(side) for side in TENSORS}
    return {(side, str(name)) for side, table in declared.items() if isinstance(table, Mapping) for name in table}


def _check(tables: Mapping[str, Any], folder: Path) -> None:
    for name in tables:
        if name not in SECTIONS:
            listed = ", ".join(SECTIONS)
            raise InvalidModelError(
                f"{folder / NAME}: unknown {name!r}{did_you_mean(name, SECTIONS)}; there are {listed}, and models"
            )


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables within tables are joined; everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return merged
