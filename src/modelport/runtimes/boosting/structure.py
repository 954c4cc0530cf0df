"""Whether the trees of a booster lead anywhere but out of their memory: its libraries believe what a file says.

A changed byte in a file of the right length can make a node its own child, or a split look at a column that is not
there. Some rows would then crash the process, or never be answered, and others not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelport.core.errors import InvalidModelError
from modelport.runtimes.boosting.ubjson import parsed

Array = NDArray[Any]

#: A value that is no number of a node's, a column's or a category's.
_LARGEST = 1 << 31
_CATEGORICAL = 1
#: What LightGBM writes of its parameters, a line each.
_PARAMETER = re.compile(r"\[\w+: .*\]")
#: The parent of a root.
_ROOT = 2**31 - 1
#: After its brace, an object in UBJSON has a key's length; in JSON a quote or white space.
_LENGTHS = (b"i", b"U", b"I", b"l", b"L", b"$", b"#")


def check_xgboost(content: bytes, name: str) -> None:
    """Check a file's content, JSON or UBJSON. Raises InvalidModelError."""
    document = json.loads(content) if content[:4096].lstrip()[1:2] not in _LENGTHS else parsed(content)
    learner = document["learner"]
    features, said = int(learner["learner_model_param"]["num_feature"]), learner["learner_model_param"]
    groups = max(1, int(said["num_class"]), int(said.get("num_target", 1)))
    _true(0 < features < _LARGEST and groups < _LARGEST, name, "the number of its columns")
    inner = learner["gradient_booster"]
    model = inner.get("gbtree", inner)["model"]
    if inner.get("name") == "gblinear":
        _true(len(model["weights"]) == (features + 1) * groups, name, "the number of its weights")
        return
    trees, classes = model["trees"], _numbers(model["tree_info"])
    _true(len(trees) == len(classes) == int(model["gbtree_model_param"]["num_trees"]), name, "the number of its trees")
    _true(bool(np.all((classes >= 0) & (classes < groups))), name, "the class that a tree is of")
    ends = list(model.get("iteration_indptr", []))
    _true(_rising(ends) and (not ends or ends[-1] == len(trees)), name, "the trees of an iteration")
    if "weight_drop" in inner:
        _true(len(inner["weight_drop"]) == len(trees), name, "the weights of its trees")
    for place, tree in enumerate(trees):
        _check_xgboost_tree(tree, features, f"tree {place}", name)


def check_lightgbm(text: str, name: str) -> None:
    """Check a model's text. Raises InvalidModelError."""
    head, *blocks = re.split(r"^Tree=\d+\n", text.partition("\nend of trees")[0], flags=re.M)
    said = _lines(head)
    features, width = int(said["max_feature_idx"]) + 1, int(said["num_tree_per_iteration"])
    _true(width > 0 and len(blocks) % width == 0 and 0 < features < _LARGEST, name, "its head")
    _true(int(said.get("num_class", width)) in (1, width), name, "the number of its classes")
    parameters = text.partition("\nparameters:")[2].partition("\nend of parameters")[0]
    whole = all(_PARAMETER.fullmatch(line) for line in parameters.split("\n") if line.strip())
    _true(whole, name, "a line of its parameters")
    for place, block in enumerate(blocks):
        _check_lightgbm_tree(_lines(block), features, f"tree {place}", name)


def _check_xgboost_tree(tree: Mapping[str, Any], features: int, where: str, name: str) -> None:
    count = int(tree["tree_param"]["num_nodes"])
    width = max(1, int(tree["tree_param"]["size_leaf_vector"]))
    left, right = _numbers(tree["left_children"]), _numbers(tree["right_children"])
    parents = _numbers(tree["parents"])
    columns, kinds = _numbers(tree["split_indices"]), _numbers(tree.get("split_type", [0] * count))
    lengths = {len(left), len(right), len(parents), len(columns), len(kinds), len(tree["default_left"]), count}
    _true(len(lengths) == 1 and count > 0, name, f"the number of nodes in {where}")
    _true(len(tree["base_weights"]) in (count, count * width), name, f"the values of {where}")
    _true(len(tree["split_conditions"]) in (count, count * width), name, f"the thresholds of {where}")
    inner = left != -1
    _true(np.array_equal(inner, right != -1), name, f"the children of a node in {where}")
    _true(_is_tree(left, right, inner), name, f"the children of a node in {where}")
    own = np.flatnonzero(inner)
    above = bool(np.all(parents[left[own]] == own) and np.all(parents[right[own]] == own))
    _true(above and (parents[0] in (-1, _ROOT)), name, f"the parents of a node in {where}")
    _true(bool(np.all((columns[inner] >= 0) & (columns[inner] < features))), name, f"the column of a split in {where}")
    _check_xgboost_categories(tree, kinds, inner, where, name)


def _check_xgboost_categories(tree: Mapping[str, Any], kinds: Array, inner: Array, where: str, name: str) -> None:
    what = f"the categories of {where}"
    nodes, values = _numbers(tree.get("categories_nodes", [])), _numbers(tree.get("categories", []))
    starts, sizes = _numbers(tree.get("categories_segments", [])), _numbers(tree.get("categories_sizes", []))
    _true(len(nodes) == len(starts) == len(sizes), name, what)
    wanted = np.flatnonzero((kinds == _CATEGORICAL) & inner)
    _true(set(wanted.tolist()) <= set(nodes.tolist()), name, what)
    _true(bool(np.all((starts >= 0) & (sizes >= 0) & (starts + sizes <= len(values)))), name, what)
    _true(bool(np.all((values >= 0) & (values < (1 << 24)))), name, what)


def _check_lightgbm_tree(said: Mapping[str, str], features: int, where: str, name: str) -> None:
    leaves = int(said["num_leaves"])
    _true(len(said["leaf_value"].split()) == leaves and leaves > 0, name, f"the leaves of {where}")
    if leaves == 1:
        return
    left, right = _parsed(said["left_child"]), _parsed(said["right_child"])
    columns, kinds = _parsed(said["split_feature"]), _parsed(said["decision_type"])
    thresholds = said["threshold"].split()
    lengths = {len(left), len(right), len(columns), len(kinds), len(thresholds), leaves - 1}
    _true(len(lengths) == 1, name, f"the number of nodes in {where}")
    _true(bool(np.all((columns >= 0) & (columns < features))), name, f"the column of a split in {where}")
    # a child below zero is the leaf ~child: as nodes behind the inner ones they make one tree of all
    nodes = [np.where(side < 0, ~side + leaves - 1, side) for side in (left, right)]
    outer = np.full(leaves, -1)
    whole = [np.concatenate([side, outer]) for side in nodes]
    _true(_is_tree(whole[0], whole[1], np.arange(2 * leaves - 1) < leaves - 1), name, f"the children in {where}")
    _check_lightgbm_categories(said, thresholds, kinds, where, name)
    _check_lightgbm_linear(said, leaves, features, where, name)


def _check_lightgbm_categories(
    said: Mapping[str, str], thresholds: list[str], kinds: Array, where: str, name: str
) -> None:
    what = f"the categories of {where}"
    count = int(said.get("num_cat", 0))
    categorical = [int(float(thresholds[place])) for place in np.flatnonzero(kinds & 1)]
    _true(all(0 <= place < count for place in categorical), name, what)
    if count:
        ends, values = _parsed(said["cat_boundaries"]), said["cat_threshold"].split()
        _true(len(ends) == count + 1 and ends[0] == 0 and _rising(ends.tolist()), name, what)
        _true(int(ends[-1]) == len(values), name, what)


def _check_lightgbm_linear(said: Mapping[str, str], leaves: int, features: int, where: str, name: str) -> None:
    if said.get("is_linear", "0").strip() != "1":
        return
    what = f"the lines in the leaves of {where}"
    counts, columns = _parsed(said["num_features"]), _parsed(said.get("leaf_features", ""))
    _true(len(counts) == leaves and int(counts.sum()) == len(columns) and bool(np.all(counts >= 0)), name, what)
    _true(len(said.get("leaf_coeff", "").split()) == len(columns), name, what)
    _true(len(said["leaf_const"].split()) == leaves, name, what)
    _true(bool(np.all((columns >= 0) & (columns < features))), name, what)


def _is_tree(left: Array, right: Array, inner: Array) -> bool:
    """Whether all children are nodes, and none is the child of two, or of one of its own."""
    children = np.concatenate([left[inner], right[inner]])
    if children.size and (int(children.min()) < 1 or int(children.max()) >= len(left)):
        return False
    if len(np.unique(children)) != len(children):
        return False
    seen, level = 1, np.array([0])
    while level.size and seen <= len(left):
        parents = level[inner[level]]
        level = np.concatenate([left[parents], right[parents]])
        seen += len(level)
    return seen <= len(left)


def _lines(block: str) -> dict[str, str]:
    return dict(_pairs(block))


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        key, sign, value = line.partition("=")
        if sign:
            yield key, value


def _parsed(text: str) -> Array:
    return _numbers([int(item) for item in text.split()])


def _numbers(items: Any) -> Array:
    return np.asarray(items, np.int64).reshape(-1)


def _rising(items: list[int]) -> bool:
    return all(a <= b for a, b in pairwise(items)) and (not items or items[0] >= 0)


def _true(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise InvalidModelError(f"{name} is damaged: {what} can't be so")
