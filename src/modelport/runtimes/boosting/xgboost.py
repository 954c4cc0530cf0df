"""XGBoost's boosters, from the JSON and UBJSON files that `save_model` writes.

XGBoost computes in float32, so that the rows are FP32. NaN is a missing value. A category is a number: its place among
the categories of its column, which files of XGBoost 3.1 and later name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xgboost

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidModelError
from modelport.core.host import cpu_quota
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.boosting.outline import xgboost_parameters
from modelport.runtimes.boosting.ubjson import is_whole
from modelport.runtimes.boosting.xgboost_categories import column_categories
from modelport.runtimes.boosting.xgboost_outputs import Outputs, outputs_of
from modelport.runtimes.tables import Arrays, TableModel, check_cpu, check_name, check_options, one_line, table_of

WHAT = "XGBoost"
INPUT = "X"
_MARK = b"learner"
#: In files of up to so many bytes the nodes of the trees are counted.
_COUNTED = 64 << 20
#: After its brace, an object in UBJSON has a key's length; in JSON a quote or white space.
_LENGTHS = (b"i", b"U", b"I", b"l", b"L", b"$", b"#")
#: `[03:40:32] /workspace/src/common/json.cc:409: `, and what follows the first line.
_PLACE = re.compile(r"^\[\d+:\d+:\d+\] \S+?:\d+: ")

#: Predicts from rows of float32.
Predict = Callable[[Array], Array]


class XGBoostRuntime:
    """Loads boosters, whichever of XGBoost's interfaces saved them."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the booster at `path`.

        `spec.options` is `trees`: `all`, or `best` for those up to the best iteration of early stopping. Without it
        the interface that saved the file decides: scikit-learn's takes the best, the native one all. Raises
        InvalidModelError saying what is wrong with the file.
        """
        check_options(spec.options, ("trees",), WHAT)
        check_cpu(spec.device, WHAT)
        booster = _open(path)
        booster.set_param({"nthread": spec.threads or cpu_quota()})
        config = json.loads(booster.save_config())["learner"]
        outputs = outputs_of(booster, config)
        predict = _predict(booster, config, _iterations(booster, spec))
        return TableModel(
            Signature((_input(booster),), outputs.specs), _info(path, booster, config), _computes(predict, outputs)
        )


def _open(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    head = content[:4096].lstrip()
    if not head.startswith(b"{") or _MARK not in head:
        raise InvalidModelError(
            f"{path.name} is no XGBoost model in JSON or UBJSON. A model in the old binary form (.model, .deb, .bst) "
            "is read by XGBoost up to 3.0: load it there, and save_model('model.ubj')"
        )
    if head[1:2] in _LENGTHS and not is_whole(content):  # XGBoost itself reads on, beyond the end
        raise InvalidModelError(f"{path.name} is cut short or damaged: its UBJSON document has no end")
    try:
        # Given as bytes, the form is told from the content, whatever the file's name.
        return xgboost.Booster(model_file=bytearray(content))
    except Exception as error:  # XGBoostError, and whatever its JSON reader raises
        text = _PLACE.sub("", str(error).partition("Stack trace")[0])
        raise InvalidModelError(
            f"{path.name} can't be loaded by XGBoost {xgboost.__version__}: it is cut short, damaged, "
            f"or made by a later version ({one_line(ValueError(text))})"
        ) from None


def _input(booster: Any) -> TensorSpec:
    names = booster.feature_names or []
    return TensorSpec(INPUT, "FP32", (-1, booster.num_features()), table_of(names, column_categories(booster)))


def _iterations(booster: Any, spec: LoadSpec) -> tuple[int, int]:
    """The range of iterations whose trees vote; (0, 0) is all of them."""
    default = "best" if booster.attr("scikit_learn") else "all"
    wanted = check_name(spec.options.get("trees", default), ("all", "best"), "trees")
    best = booster.attr("best_iteration")
    return (0, int(best) + 1) if wanted == "best" and best is not None else (0, 0)


def _predict(booster: Any, config: Mapping[str, Any], iterations: tuple[int, int]) -> Predict:
    """`inplace_predict` needs no lock; a linear booster does not have it, and `predict` is not safe for threads."""
    if config["gradient_booster"]["name"] != "gblinear":
        return lambda rows: booster.inplace_predict(rows, iteration_range=iterations)
    lock = Lock()

    def predict(rows: Array) -> Array:
        matrix = xgboost.DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types)
        with lock:
            given: Array = booster.predict(matrix)
        return given

    return predict


def _computes(predict: Predict, outputs: Outputs) -> Callable[[Arrays, Collection[str]], Mapping[str, Any]]:
    def compute(inputs: Arrays, wanted: Collection[str]) -> Mapping[str, Any]:
        rows = np.ascontiguousarray(inputs[INPUT])
        return outputs.values(predict(rows), wanted)

    return compute


def _info(path: Path, booster: Any, config: Mapping[str, Any]) -> ModelInfo:
    properties = {
        "objective": str(config["objective"]["name"]),
        "booster": str(config["gradient_booster"]["name"]),
        "iterations": str(booster.num_boosted_rounds()),
        "parameters": _parameters(booster) if path.stat().st_size <= _COUNTED else "",
    }
    said = {key: text for key, text in properties.items() if text}
    return ModelInfo("xgboost", "xgboost_json", f"XGBoost {xgboost.__version__}", said)


def _parameters(booster: Any) -> str:
    """Trees and their nodes, or the weights of a linear booster."""
    document = json.loads(bytes(booster.save_raw("json")))
    return xgboost_parameters(document["learner"]["gradient_booster"])
