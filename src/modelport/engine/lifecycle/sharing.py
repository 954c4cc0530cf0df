"""Which `modelport.toml` speaks of several models: what it declares of tensors then need not fit each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from modelport.artifacts.model_file import NAME, TENSORS, read_tables
from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.artifact import Artifact


def with_shared(
    found: Mapping[str, dict[int, Artifact]], models_in: Callable[[Path], int]
) -> dict[str, dict[int, Artifact]]:
    """The artifacts, each with those of its folders whose file speaks of other models too.

    `models_in` counts the models of a folder; it is asked only where the folder's file declares tensors for all.
    """
    known: dict[Path, bool] = {}

    def is_shared(folder: Path) -> bool:
        if folder not in known:
            known[folder] = _declares(folder / NAME) and models_in(folder) > 1
        return known[folder]

    return {
        model: {
            number: replace(item, shared=frozenset(filter(is_shared, item.folders)))
            for number, item in versions.items()
        }
        for model, versions in found.items()
    }


def _declares(file: Path) -> bool:
    """Whether a file declares tensors at its top."""
    try:
        return not read_tables(file).keys().isdisjoint(TENSORS)
    except ModelportError:  # its models tell, when they are loaded
        return False
