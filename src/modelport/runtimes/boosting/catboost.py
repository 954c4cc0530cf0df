"""CatBoost's models, from the .cbm files that `save_model` writes.

CatBoost compares in float32. A model of numbers takes one matrix "X" of FP32; one with categories, texts or embeddings
an input for each column: categories and texts are BYTES (a category that was a whole number is its digits).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import catboost
import numpy as np

from modelport.core.datatypes import BYTES, INTEGERS, text_array
from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError
from modelport.core.host import cpu_quota
from modelport.core.meaning import Text
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.boosting.catboost_outputs import Outputs, loss_of, outputs_of
from modelport.runtimes.outlines import trees_text
from modelport.runtimes.tables import Arrays, TableModel, check_cpu, check_options, one_line, table_of

WHAT = "CatBoost"
INPUT = "X"
_MAGIC = b"CBM1"


class CatBoostRuntime:
    """Loads .cbm files. CatBoost evaluates a model from several threads at once; nothing of it is changed by that."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the model at `path`. Takes no options. Raises InvalidModelError saying what is wrong with the file.

        A column of categories that its owner declares as an integer (`[inputs.NAME] datatype = "INT64"`) takes whole
        numbers in place of their digits.
        """
        check_options(spec.options, (), WHAT)
        check_cpu(spec.device, WHAT)
        model = _open(path)
        outputs = outputs_of(model, path.name)
        columns = _columns(model)
        if columns is None:
            names = [str(name) for name in model.feature_names_ or ()]
            inputs: tuple[TensorSpec, ...] = (TensorSpec(INPUT, "FP32", (-1, len(names)), table_of(names)),)
            rows: Callable[[Arrays], Any] = _matrix
        else:
            inputs = tuple(_as_declared(column, spec.inputs) for column in columns)
            rows = _frames(inputs)
        info = ModelInfo(
            "catboost",
            "catboost_cbm",
            f"CatBoost {catboost.__version__}",
            {"loss": loss_of(model), "trees": str(model.tree_count_), "parameters": _parameters(model)},
        )
        return TableModel(
            Signature(inputs, outputs.specs), info, _computes(model, rows, outputs, spec.threads or cpu_quota())
        )


def _parameters(model: Any) -> str:
    return trees_text(model.tree_count_, 0, int(sum(model.get_tree_leaf_counts())))


def _open(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise InvalidModelError(f"can't read {path}: {error.strerror or error}") from None
    if head != _MAGIC:
        raise InvalidModelError(
            f"{path.name} is no CatBoost model in binary form: it does not begin with {_MAGIC.decode()!r}. "
            "From another form: CatBoost().load_model(path, format=...) and save_model('model.cbm')"
        )
    try:
        return catboost.CatBoost().load_model(str(path), format="cbm")
    except Exception as error:
        text = str(error).partition(": ")[2] or str(error)  # before it stands a place in CatBoost's own source
        raise InvalidModelError(
            f"{path.name} can't be loaded by CatBoost {catboost.__version__}: it is cut short, damaged, "
            f"or made by a later version ({one_line(ValueError(text))})"
        ) from None


def _columns(model: Any) -> list[TensorSpec] | None:
    """An input for each column; None for a model of numbers only."""
    kinds: dict[int, str] = {}
    for kind in ("cat", "text", "embedding"):
        for place in getattr(model, f"get_{kind}_feature_indices")():
            kinds[place] = kind
    if not kinds:
        return None
    return [_column(str(name), kinds.get(place, "")) for place, name in enumerate(model.feature_names_)]


def _column(name: str, kind: str) -> TensorSpec:
    if kind in ("cat", "text"):
        return TensorSpec(name, BYTES, (-1,), Text() if kind == "text" else None)
    return TensorSpec(name, "FP32", (-1, -1) if kind == "embedding" else (-1,))


def _as_declared(column: TensorSpec, declared: Collection[DeclaredTensor]) -> TensorSpec:
    datatype = next((item.datatype for item in declared if item.name == column.name), None)
    if column.datatype == BYTES and datatype in INTEGERS and column.meaning is None:
        return replace(column, datatype=datatype or BYTES)
    return column


def _matrix(inputs: Arrays) -> Any:
    return np.ascontiguousarray(inputs[INPUT])


def _frames(specs: tuple[TensorSpec, ...]) -> Callable[[Arrays], Any]:
    """Makes a DataFrame of the columns: what CatBoost takes texts and categories in."""
    import pandas  # noqa: PLC0415 - comes with CatBoost

    def frame(inputs: Arrays) -> Any:
        return pandas.DataFrame({spec.name: _cells(inputs[spec.name], spec) for spec in specs})

    return frame


def _cells(array: Any, spec: TensorSpec) -> Any:
    if spec.datatype == BYTES:
        return text_array(array, spec.name)
    if array.ndim == 2:
        return list(array)
    return array


def _computes(
    model: Any, rows: Callable[[Arrays], Any], outputs: Outputs, threads: int
) -> Callable[[Arrays, Collection[str]], Mapping[str, Any]]:
    def compute(inputs: Arrays, wanted: Collection[str]) -> Mapping[str, Any]:
        data, given = rows(inputs), {}
        for spec, kind in zip(outputs.specs, outputs.kinds, strict=True):
            if spec.name in wanted:
                values = np.asarray(model.predict(data, prediction_type=kind, thread_count=threads))
                given[spec.name] = values.reshape(len(values), *(spec.shape or ())[1:])
        return given

    return compute
