"""What another server's description says of a model: where its versions are, and what `modelport.toml` would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError


@dataclass(frozen=True, slots=True)
class Described:
    """A model of a foreign repository.

    `versions` are the artifacts themselves, whose format their content tells. `tables` are those of `modelport.toml`;
    an owner's own file has the last word over them. `warnings` say what can't be mapped, `problem` why it can't be
    served at all (empty: it can). `files` hold the description: a change of one is a change of the model. `joins`:
    another folder may hold another version of the same model.
    """

    name: str
    versions: Mapping[int, Path]
    tables: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    problem: str = ""
    files: tuple[Path, ...] = ()
    joins: bool = False


def inside(folder: Path, name: str, what: str) -> Path:
    """A path that a description names, which must lie in its folder. Raises InvalidModelError."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidModelError(
            f"{what} names {name!r}, which lies outside of its folder {folder}, where no model may read: "
            "put the file beside it"
        )
    return path
