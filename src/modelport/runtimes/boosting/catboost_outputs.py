"""What a model of CatBoost gives, by its loss: a class and probabilities, a score to rank by, a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Probabilities, Quantity
from modelport.core.signature import TensorSpec
from modelport.runtimes.tables import Classes

_SEVERAL_LABELS = frozenset({"MultiLogloss", "MultiCrossEntropy"})
_RANKS = ("YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy", "StochasticRank", "LambdaMart")
#: Losses whose trees add up to a logarithm; CatBoostRegressor gives its exponential too.
_EXPONENTS = frozenset({"Poisson", "Tweedie"})


@dataclass(frozen=True)
class Outputs:
    """The outputs, and CatBoost's `prediction_type` of each."""

    specs: tuple[TensorSpec, ...]
    kinds: tuple[str, ...]


def loss_of(model: Any) -> str:
    """The name of the loss that the model was trained on; empty where the file does not say it."""
    try:
        loss = model.get_all_params().get("loss_function", "")
    except Exception:  # files of other tools carry no parameters
        return ""
    return str(loss).partition(":")[0]


def outputs_of(model: Any, file: str) -> Outputs:
    """The outputs of a model. Raises InvalidModelError where it does not fit what the file says of it."""
    loss, dimensions = loss_of(model), _dimensions(model, file)
    values = np.asarray(model.classes_)
    if loss in _SEVERAL_LABELS:
        labels = tuple(map(str, values.tolist())) if len(values) == dimensions else ()
        label = TensorSpec("label", "INT64", (-1, dimensions))
        probabilities = TensorSpec("probabilities", "FP64", (-1, dimensions), Probabilities(labels))
        return Outputs((label, probabilities), ("Class", "Probability"))
    if len(values):
        classes = Classes(values)
        return Outputs((classes.label(), classes.probabilities("FP64")), ("Class", "Probability"))
    if loss.startswith(_RANKS):
        return _number("score", "to rank by: greater is better", dimensions, "RawFormulaVal")
    if loss == "RMSEWithUncertainty":
        return _number("y", "the expected value and its variance", 2, loss)
    return _number("y", "", dimensions, "Exponent" if loss in _EXPONENTS else "RawFormulaVal")


def _dimensions(model: Any, file: str) -> int:
    """How many numbers the trees give for a row."""
    leaves, trees = model.get_leaf_values(), model.get_tree_leaf_counts()
    total = int(np.sum(trees))
    if not total:
        raise InvalidModelError(f"{file} has no trees: CatBoost gives no predictions for it")
    if len(leaves) % total:
        raise InvalidModelError(f"{file} is damaged: it has {len(leaves)} values for {total} leaves")
    return len(leaves) // total


def _number(name: str, description: str, width: int, kind: str) -> Outputs:
    shape = (-1,) if width == 1 else (-1, width)
    return Outputs((TensorSpec(name, "FP64", shape, Quantity(description=description)),), (kind,))
