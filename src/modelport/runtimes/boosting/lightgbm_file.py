"""A LightGBM text file, read far enough to know that it is whole: LightGBM itself ends the process at a damaged one.

The form: a head of `key=value` lines; a block for each tree, whose sizes `tree_sizes` lists; `end of trees`;
parameters; the names of pandas' categories as JSON. Source: LightGBM's `src/boosting/gbdt_model_text.cpp`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError

_PANDAS = "\npandas_categorical:"
_END = "end of trees"
_END_OF_PARAMETERS = "end of parameters"
_WITHOUT_PARAMETERS = ("v1", "v2")
_CATEGORICAL = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.M)


@dataclass(frozen=True)
class LightGBMFile:
    """What the head says. `text` is the whole file in the form that LightGBM reads without threads."""

    name: str
    text: str
    version: str
    objective: str
    width: int
    names: list[str]
    categories: dict[int, tuple[str, ...]]


def read_lightgbm(path: Path) -> LightGBMFile:
    """Read and check a file. Raises InvalidModelError saying what is wrong with it."""
    text = _text(path)
    head = _head(text)
    if not text.startswith("tree\n") or "version" not in head:
        raise InvalidModelError(
            f"{path.name} is no LightGBM model in text form: it does not begin with 'tree', 'version='"
        )
    _check_trees(path.name, text, head)
    try:
        width = int(head["num_tree_per_iteration"])
        features = int(head["max_feature_idx"]) + 1
    except (KeyError, ValueError):
        raise InvalidModelError(
            f"{path.name} is damaged: its head lacks num_tree_per_iteration or max_feature_idx"
        ) from None
    names = head.get("feature_names", "").split(" ")
    return LightGBMFile(
        name=path.name,
        # With the sizes LightGBM parses trees in threads, where a fault in one of them ends the whole process.
        text=re.sub(r"^tree_sizes=.*\n", "", text, count=1, flags=re.M),
        version=head["version"],
        objective=head.get("objective", "").partition(" ")[0],
        width=width,
        names=names if len(names) == features else [],
        categories=categories_in(path.name, text),
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode().replace("\r\n", "\n")
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidModelError(f"{path.name} is no LightGBM model in text form: it is not text") from None


def _head(text: str) -> dict[str, str]:
    lines = text.partition("\n\n")[0].split("\n")
    return {key: value for key, sign, value in (line.partition("=") for line in lines) if sign}


def _check_trees(name: str, text: str, head: dict[str, str]) -> None:
    """Raise InvalidModelError unless every tree that the head announces is there, and the end of them."""
    wanted = len(head.get("tree_sizes", "").split())
    blocks = re.findall(r"^Tree=(\d+)$", text, re.M)
    ended = f"\n{_END}\n" in text
    if not ended or (wanted and len(blocks) != wanted):
        raise InvalidModelError(
            f"{name} is cut short: its head announces {wanted or 'several'} trees, and it has "
            f"{len(blocks)}{'' if ended else f', without {_END!r}'}"
        )
    _check_end(name, text.partition(f"\n{_END}\n")[2], head["version"])


def _check_end(name: str, rest: str, version: str) -> None:
    """Raise InvalidModelError unless what stands after the trees is whole. Before version 3 that may be nothing."""
    _, ended, tail = rest.partition(_END_OF_PARAMETERS)
    if not ended and ("parameters:" in rest or version not in _WITHOUT_PARAMETERS):
        raise InvalidModelError(f"{name} is cut short: it does not have {_END_OF_PARAMETERS.strip()!r} after its trees")
    if tail.strip() and not tail.strip().startswith(_PANDAS.strip()):
        raise InvalidModelError(f"{name} is cut short, within what follows {_END_OF_PARAMETERS.strip()!r}")


def categories_in(name: str, text: str) -> dict[int, tuple[str, ...]]:
    """The names of categories by the column's place, where a model says which columns pandas' categories are of."""
    _, found, document = text.rpartition(_PANDAS)
    try:
        columns: Any = json.loads(document.partition("\n")[0]) if found else []
    except ValueError:
        raise InvalidModelError(f"{name} is damaged: what follows 'pandas_categorical:' is not JSON") from None
    listed = _CATEGORICAL.search(text)
    places = [int(place) for place in listed[1].split(",")] if listed else []
    if not isinstance(columns, list) or len(columns) != len(places):
        return {}
    return {place: tuple(map(str, names)) for place, names in zip(sorted(places), columns, strict=True)}
