"""Whether what a CatBoost file says of its trees fits together: the library believes it.

Source of the tables and their fields: CatBoost's `model.fbs` and `features.fbs`.
"""

from __future__ import annotations

import json
import struct
from itertools import accumulate

from modelport.core.errors import InvalidModelError
from modelport.runtimes.flatbuffer_wire import Table, root

#: A symmetric tree is no deeper.
_DEEPEST = 16
_DIMENSIONS, _SPLITS, _SIZES, _STARTS, _CATEGORIES, _FLOATS, _ONE_HOT, _COUNTERS, _VALUES, _WEIGHTS = range(10)
_STEPS, _LEAVES, _BINS = 10, 11, 17
#: Texts, what is computed of them, embeddings: their splits are not counted here.
_OTHERS = (12, 13, 18)
#: So many values of a column share a byte.
_IN_A_BYTE = 254


def check_catboost(content: bytes, name: str) -> None:
    """Check a file's content. Raises InvalidModelError; ValueError where a part lies outside of the file."""
    core = root(content, 8)
    trees = core.table(1)
    if trees is None:
        raise InvalidModelError(f"{name} is damaged: it has no trees")
    splits, sizes, starts = (trees.numbers(field, "i") for field in (_SPLITS, _SIZES, _STARTS))
    _true(all(size >= 0 for size in sizes) and sum(sizes) == len(splits), name, "the sizes of its trees")
    _true(starts == list(accumulate(sizes[:-1], initial=0))[: len(sizes)], name, "the places of its trees")
    _check_columns(trees, name)
    if not any(trees.length(field) for field in _OTHERS):
        _check_splits(trees, splits, name)
    _check_classes({item.text(0): item.text(1) for item in core.tables(2)}.get("class_params", "{}"), name)
    dimensions = trees.number(_DIMENSIONS, "i")
    _true(dimensions > 0, name, "the number of its values in a leaf")
    if trees.length(_STEPS):
        _check_steps(trees, starts, sizes, dimensions, name)
    else:
        _true(max(sizes, default=0) <= _DEEPEST, name, "the depth of a tree")
        leaves = sum(1 << size for size in sizes)
        _true(trees.length(_VALUES) == leaves * dimensions, name, "the number of its leaves")
        _true(trees.length(_WEIGHTS) in (0, leaves), name, "the weights of its leaves")


def _check_splits(trees: Table, splits: list[int], name: str) -> None:
    """Each split is one of the values that the columns are split at, or a byte that stands for some of them."""
    counts = [item.length(3) for item in trees.tables(_FLOATS)]
    counts += [item.length(1) for item in (*trees.tables(_ONE_HOT), *trees.tables(_COUNTERS))]
    _true(all(0 <= split < sum(counts) for split in splits), name, "the column of a split")
    bins = list(struct.iter_unpack("<HBB", trees.structs(_BINS, 4)))
    width = sum(-(-count // _IN_A_BYTE) for count in counts)
    _true(len(bins) in (0, len(splits)) and all(place < width for place, _, _ in bins), name, "the column of a split")


def _check_classes(said: str, name: str) -> None:
    """The classes are among those that have names."""
    classes = json.loads(said)
    labels, names = classes.get("class_to_label", []), classes.get("class_names", [])
    most = max(len(labels), len(names), int(classes.get("classes_count", 0)))
    _true(all(0 <= label < most for label in labels), name, "the numbers of its classes")


def _check_columns(trees: Table, name: str) -> None:
    """Each column has a place of its own, and a number among those of its kind."""
    floats = [(item.number(1, "i", -1), item.number(2, "i", -1)) for item in trees.tables(_FLOATS)]
    texts = [(item.number(0, "i", -1), item.number(1, "i", -1)) for item in trees.tables(_CATEGORIES)]
    others = sum(trees.length(field) for field in _OTHERS)
    for columns in (floats, texts):
        _true([number for number, _ in columns] == list(range(len(columns))), name, "the numbers of its columns")
    places = [place for _, place in (*floats, *texts)]
    _true(len(set(places)) == len(places), name, "the places of its columns")
    _true(all(0 <= place < len(places) + others for place in places), name, "the places of its columns")
    one_hot = [item.number(0, "i", -1) for item in trees.tables(_ONE_HOT)]
    _true(all(0 <= number < len(texts) for number in one_hot), name, "the categories that a split looks at")


def _check_steps(trees: Table, starts: list[int], sizes: list[int], dimensions: int, name: str) -> None:
    """Trees that are not symmetric: each node says how far its children are from it."""
    steps = list(struct.iter_unpack("<HH", trees.structs(_STEPS, 4)))
    leaves, values = trees.numbers(_LEAVES, "I"), trees.length(_VALUES)
    _true(len(steps) == len(leaves) == sum(sizes), name, "the number of its nodes")
    _true(values % dimensions == 0, name, "the number of its leaves")
    for start, size in zip(starts, sizes, strict=True):
        for node in range(start, start + size):
            inside = all(node + step < start + size for step in steps[node])
            _true(inside, name, "the children of a node")
            if 0 in steps[node]:  # a side without a child ends there
                _true(leaves[node] + dimensions <= values, name, "the leaf of a node")


def _true(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise InvalidModelError(f"{name} is damaged: {what} can't be so")
