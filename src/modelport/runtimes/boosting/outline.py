"""What the files of XGBoost, LightGBM and CatBoost say of themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.boosting.lightgbm_file import read_lightgbm
from modelport.runtimes.flatbuffer_wire import root
from modelport.runtimes.outlines import Outline, trees_text
from modelport.runtimes.tables import table_of

#: The key in UBJSON, its value an array of three whole numbers, each with a mark.
_UBJ_VERSION = re.compile(rb"version\[(?:\$[iUlLI])?#?(?:L.{8}|i.|U.)?(?:[iU](.)[iU](.)[iU](.)|(.)(.)(.))", re.S)
_CATBOOST_RELEASE = re.compile(r"release (\d[\w.]*)|tags/v(\d[\w.]*)")


def outline(path: Path, format: str) -> Outline:  # noqa: A002 - the word of the field
    """The outline of a file of `xgboost`, `lightgbm` or `catboost`. Raises InvalidModelError."""
    return {"xgboost": _xgboost, "lightgbm": _lightgbm, "catboost": _catboost}[format](path)


def _xgboost(path: Path) -> Outline:
    content = path.read_bytes()
    if content.lstrip()[:2].strip() == b"{" or content[1:2] in (b'"', b"\n"):
        return _xgboost_json(path, content)
    numbers = version_in_ubjson(content)
    return Outline(writer="XGBoost", version=".".join(map(str, numbers)))


def version_in_ubjson(content: bytes) -> tuple[int, ...]:
    """The version that wrote a file, the last thing in it; nothing where it is not told."""
    found = None
    for found in _UBJ_VERSION.finditer(content, max(0, len(content) - 4096)):  # noqa: B007 - the last one counts
        pass
    return () if found is None else tuple(group[0] for group in found.groups() if group is not None)


def _xgboost_json(path: Path, content: bytes) -> Outline:
    try:
        document = json.loads(content)
    except ValueError:
        raise InvalidModelError(f"{path.name} is an XGBoost model in JSON that is cut short or damaged") from None
    learner = document["learner"]
    booster = learner["gradient_booster"]
    names = [str(name) for name in learner.get("feature_names", [])]
    features = int(learner["learner_model_param"]["num_feature"])
    source = TensorSpec("X", "FP32", (-1, features), table_of(names) if len(names) == features else None)
    return Outline(
        writer="XGBoost",
        version=".".join(map(str, document.get("version", ()))),
        parameters=xgboost_parameters(booster),
        signature=Signature((source,), ()),
        properties={"objective": str(learner["objective"]["name"]), "booster": str(booster["name"])},
    )


def xgboost_parameters(booster: Any) -> str:
    """The size of what `gradient_booster` of a model in JSON holds."""
    model = booster.get("gbtree", booster).get("model", {})  # of dart, the trees lie deeper
    if "weights" in model:
        return str(len(model["weights"]))
    trees = model.get("trees", ())
    return trees_text(len(trees), sum(int(tree["tree_param"]["num_nodes"]) for tree in trees))


def _lightgbm(path: Path) -> Outline:
    file = read_lightgbm(path)
    source = TensorSpec("X", "FP64", (-1, len(file.names)), table_of(file.names, file.categories))
    return Outline(
        writer="LightGBM",
        parameters=lightgbm_parameters(file.text),
        signature=Signature((source,), ()) if file.names else None,
        properties={"objective": file.objective, "file_version": file.version},
    )


def lightgbm_parameters(text: str) -> str:
    """The trees of a file, and their nodes: a binary tree of n leaves has n - 1 splits."""
    leaves = [int(number) for number in re.findall(r"^num_leaves=(\d+)$", text, re.M)]
    return trees_text(len(leaves), sum(2 * number - 1 for number in leaves))


def _catboost(path: Path) -> Outline:
    """The file is a mark, a length, and a FlatBuffers table. Source: CatBoost's `model.fbs`, `ctr_data.fbs`."""
    data = path.read_bytes()
    if len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise InvalidModelError(f"{path.name} is a CatBoost model that is cut short: it has {len(data)} bytes")
    core = root(data, 8)
    said = {item.text(0): item.text(1) for item in core.tables(2)}
    release = _CATBOOST_RELEASE.search(said.get("catboost_version_info", ""))
    trees = core.table(1)
    sizes = trees.numbers(2, "i") if trees is not None else []
    names = [item.text(4) for item in trees.tables(5)] if trees is not None else []
    oblivious = trees is not None and not trees.length(10)
    return Outline(
        writer="CatBoost",
        version=next((group for group in release.groups() if group), "") if release else "",
        parameters=trees_text(len(sizes), 0, sum(1 << size for size in sizes) if oblivious else 0),
        properties={"columns": ", ".join(name for name in names if name)} if any(names) else {},
    )
