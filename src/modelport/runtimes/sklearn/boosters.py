"""Boosters behind scikit-learn's methods: XGBoost's, LightGBM's and CatBoost's estimators inside a pickle.

They keep what they know of their columns in their own way: categories that were a DataFrame's own type stay so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES
from modelport.runtimes.boosting.lightgbm_file import categories_in
from modelport.runtimes.boosting.xgboost_categories import column_categories
from modelport.runtimes.sklearn.columns import TEXT, ColumnKind, Kinds


def booster_names(estimator: Any) -> list[str]:
    """The columns of an estimator of CatBoost, which does not name them as scikit-learn does; else none."""
    return [str(name) for name in getattr(estimator, "feature_names_", None) or ()] if _is_catboost(estimator) else []


def booster_kinds(estimator: Any) -> Kinds:
    """What an estimator of these three packages says about its columns; nothing where it is none of theirs."""
    if _is_catboost(estimator):
        texts = dict.fromkeys(estimator.get_text_feature_indices(), TEXT)
        return dict.fromkeys(estimator.get_cat_feature_indices(), ColumnKind(BYTES, "")) | texts
    package = _package(estimator)
    if package == "xgboost" and hasattr(estimator, "get_booster"):
        return _kinds(column_categories(estimator.get_booster()))
    if package == "lightgbm" and hasattr(estimator, "booster_"):
        return _kinds(categories_in("the booster", estimator.booster_.model_to_string()))
    return {}


def limit_booster(estimator: Any, threads: int) -> None:
    """Let a booster of XGBoost or LightGBM start no more threads; without a number they take all there are."""
    package = _package(estimator)
    if package == "xgboost" and hasattr(estimator, "get_booster"):
        estimator.get_booster().set_param({"nthread": threads})
    elif package == "lightgbm" and hasattr(estimator, "n_jobs"):
        estimator.n_jobs = threads


def _kinds(categories: dict[int, tuple[str, ...]]) -> Kinds:
    return {place: _kind(names) for place, names in categories.items()}


def _kind(names: tuple[str, ...]) -> ColumnKind:
    if all(name.lstrip("-").isdecimal() for name in names):
        numbers = np.array(list(map(int, names)))
        return ColumnKind("INT64", int(numbers[0]), frame_categories=numbers.tolist())
    return ColumnKind(BYTES, names[0], names, frame_categories=list(names))


def _is_catboost(estimator: Any) -> bool:
    return _package(estimator) == "catboost" and hasattr(estimator, "get_cat_feature_indices")


def _package(estimator: Any) -> str:
    return type(estimator).__module__.partition(".")[0]
