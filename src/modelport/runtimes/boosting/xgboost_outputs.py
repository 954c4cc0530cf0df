"""What a booster of XGBoost gives, by its objective: a class and probabilities, a score to rank by, a number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.core.datatypes import Array
from modelport.core.meaning import Quantity
from modelport.core.signature import TensorSpec
from modelport.runtimes.tables import both_probabilities, numbered_classes

#: Makes an output from what the booster gives.
Make = Callable[[Array], Any]


@dataclass(frozen=True)
class Outputs:
    """The outputs, and how each is made."""

    specs: tuple[TensorSpec, ...]
    makes: tuple[Make, ...]

    def values(self, given: Array, wanted: Collection[str]) -> Mapping[str, Any]:
        """The outputs wanted, by name."""
        pairs = zip(self.specs, self.makes, strict=True)
        return {spec.name: make(given) for spec, make in pairs if spec.name in wanted}


def outputs_of(booster: Any, config: Mapping[str, Any]) -> Outputs:
    """The outputs of a booster. A model of `multi:softmax` is set to give probabilities too: the trees are the same."""
    objective = str(config["objective"]["name"])
    sizes = config["learner_model_param"]
    targets, classes = int(sizes.get("num_target", 1)), int(sizes.get("num_class", 0))
    if objective in ("multi:softprob", "multi:softmax"):
        booster.set_param({"objective": "multi:softprob"})
        return _several(classes)
    if objective == "binary:logistic":
        return _binary(targets)
    if objective in ("binary:logitraw", "binary:hinge"):
        return _margin(objective)
    if objective.startswith("rank:"):
        return _number("score", "to rank by: greater is better", 1)
    return _number("y", "", max(targets, classes))


def _several(count: int) -> Outputs:
    classes = numbered_classes(count)
    return Outputs((classes.label(), classes.probabilities("FP32")), (lambda given: given.argmax(axis=1), _as_it_is))


def _binary(targets: int) -> Outputs:
    if targets > 1:  # each target by itself
        label = TensorSpec("label", "INT64", (-1, targets))
        probabilities = TensorSpec("probabilities", "FP32", (-1, targets))
        return Outputs((label, probabilities), (_over_half, _as_it_is))
    classes = numbered_classes(2)
    return Outputs((classes.label(), classes.probabilities("FP32")), (_over_half, both_probabilities))


def _margin(objective: str) -> Outputs:
    label = numbered_classes(2).label()
    if objective == "binary:hinge":
        return Outputs((label,), (_over_half,))
    return Outputs((label, TensorSpec("decision", "FP32", (-1,))), (lambda given: np.greater(given, 0), _as_it_is))


def _number(name: str, description: str, width: int) -> Outputs:
    shape = (-1,) if width == 1 else (-1, width)
    return Outputs((TensorSpec(name, "FP32", shape, Quantity(description=description)),), (_as_it_is,))


def _over_half(given: Array) -> Array:
    over: Array = np.greater(given, 0.5)
    return over


def _as_it_is(given: Array) -> Array:
    return given
