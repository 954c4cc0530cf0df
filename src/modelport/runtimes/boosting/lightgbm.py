"""LightGBM's boosters, from the text files that `save_model` writes.

LightGBM compares in double precision, so that the rows are FP64. NaN is a missing value. A category is a number; files
of models that learned from a DataFrame name the categories.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError
from modelport.core.host import cpu_quota
from modelport.core.meaning import Quantity
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.boosting.lightgbm_file import LightGBMFile, read_lightgbm
from modelport.runtimes.boosting.outline import lightgbm_parameters
from modelport.runtimes.tables import (
    Arrays,
    TableModel,
    both_probabilities,
    check_cpu,
    check_options,
    numbered_classes,
    one_line,
    table_of,
)

WHAT = "LightGBM"
INPUT = "X"
_CLASSES = frozenset({"multiclass", "multiclassova", "softmax", "ova"})
_RANKS = frozenset({"lambdarank", "rank_xendcg"})

#: Makes the outputs from what the booster gives.
Split = Callable[[Array], Mapping[str, Any]]


class LightGBMRuntime:
    """Loads boosters from text files. Safe to call from several threads: LightGBM locks what must be."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the booster at `path`. Takes no options. Raises InvalidModelError saying what is wrong with the file."""
        check_options(spec.options, (), WHAT)
        check_cpu(spec.device, WHAT)
        file = read_lightgbm(path)
        booster = _open(file)
        outputs, split = _outputs(file)
        source = TensorSpec(INPUT, "FP64", (-1, booster.num_feature()), table_of(file.names, file.categories))
        compute = _computes(booster, spec.threads or cpu_quota(), split)
        return TableModel(Signature((source,), outputs), _info(file, booster), compute)


def _open(file: LightGBMFile) -> Any:
    try:
        return lightgbm.Booster(model_str=file.text)
    except Exception as error:
        raise InvalidModelError(
            f"{file.name} can't be loaded by LightGBM {lightgbm.__version__}: it is damaged, "
            f"or made by a later version ({one_line(error)})"
        ) from None


def _outputs(file: LightGBMFile) -> tuple[tuple[TensorSpec, ...], Split]:
    """The outputs by the objective. A model of an objective of its owner's own gives what its trees add up to."""
    if file.objective in _CLASSES:
        classes = numbered_classes(file.width)
        return (classes.label(), classes.probabilities("FP64")), _split_classes
    if file.objective == "binary":
        classes = numbered_classes(2)
        return (classes.label(), classes.probabilities("FP64")), _split_two
    name, description = ("score", "to rank by: greater is better") if file.objective in _RANKS else ("y", "")
    shape = (-1,) if file.width == 1 else (-1, file.width)
    return (TensorSpec(name, "FP64", shape, Quantity(description=description)),), lambda given: {name: given}


def _split_classes(given: Array) -> Mapping[str, Any]:
    return {"label": given.argmax(axis=1), "probabilities": given}


def _split_two(given: Array) -> Mapping[str, Any]:
    both = both_probabilities(given)
    return {"label": both.argmax(axis=1), "probabilities": both}


def _computes(booster: Any, threads: int, split: Split) -> Callable[[Arrays, Collection[str]], Mapping[str, Any]]:
    def compute(inputs: Arrays, _wanted: Collection[str]) -> Mapping[str, Any]:
        return split(booster.predict(np.ascontiguousarray(inputs[INPUT]), num_threads=threads))

    return compute


def _info(file: LightGBMFile, booster: Any) -> ModelInfo:
    properties = {
        "objective": file.objective or "of its owner's own",
        "trees": str(booster.num_trees()),
        "parameters": lightgbm_parameters(file.text),
        "file_version": file.version,
    }
    return ModelInfo("lightgbm", "lightgbm_txt", f"LightGBM {lightgbm.__version__}", properties)
