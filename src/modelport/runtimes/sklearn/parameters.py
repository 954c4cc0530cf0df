"""How many numbers an estimator learned: coefficients and their like, or trees and nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modelport.runtimes.outlines import trees_text

#: What estimators learn as arrays, by kind; those of one estimator add up.
_ARRAYS = (
    ("coef_", "intercept_"),
    ("coefs_", "intercepts_"),
    ("cluster_centers_",),
    ("theta_", "var_", "class_prior_"),
    ("feature_log_prob_", "class_log_prior_"),
    ("components_", "mean_"),
)


def parameters_text(estimator: Any) -> str:
    """The size of a fitted estimator in words, of a pipeline's last step; empty where it can't be told exactly."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return parameters_text(steps[-1][1])
    found = getattr(estimator, "best_estimator_", None)
    if found is not None:
        return parameters_text(found)
    return _trees(estimator) or _numbers(estimator)


def _trees(estimator: Any) -> str:
    grown = getattr(estimator, "_predictors", None)  # of histogram gradient boosting
    if isinstance(grown, list):
        trees = [tree for stage in grown for tree in stage]
        return trees_text(len(trees), sum(len(tree.nodes) for tree in trees))
    members = getattr(estimator, "estimators_", [estimator])
    trees = [item for item in _flat(members) if hasattr(item, "tree_")]
    return trees_text(len(trees), sum(int(item.tree_.node_count) for item in trees))


def _flat(members: Any) -> Iterable[Any]:
    yield from members.ravel() if isinstance(members, np.ndarray) else members


def _numbers(estimator: Any) -> str:
    support = getattr(estimator, "support_vectors_", None)
    if support is not None:  # coef_ of a support vector machine is made of these, where there is one
        return str(sum(_size(getattr(estimator, name)) for name in ("support_vectors_", "dual_coef_", "intercept_")))
    for names in _ARRAYS:
        if getattr(estimator, names[0], None) is not None:
            return str(sum(_size(getattr(estimator, name, None)) for name in names))
    return ""


def _size(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, list | tuple):
        return sum(_size(item) for item in value)
    if hasattr(value, "nnz"):
        return int(value.shape[0] * value.shape[1])
    return int(np.size(value))
