"""A recommender by matrix factorisation: the number of a guest → the five dishes to try next, with expected ratings.

    python examples/recommender/train.py [FOLDER]      (default: examples/recommender/models)
    modelport serve examples/recommender/models

The ratings are made here, by guests whose tastes are drawn at random: a tongue for each cuisine, for dishes like each
other, and for sweets. Each guest has rated a third of the dishes; a tenth of those ratings is held out. The
factorisation is alternating least squares in numpy, and is written twice: as an ONNX graph, and as a SavedModel where
TensorFlow is installed (pip install 'modelport[tensorflow]').
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
DISHES = tomllib.loads((HERE / "modelport.toml").read_text())["outputs"]["scores"]["items"]
GUESTS, CUISINE, SWEET = 800, 6, 5  # six dishes of each cuisine, of which the last is sweet
RANK, SWEEPS, RIDGE = 12, 15, 4.0
TOP = 5
#: What a dish gets that was rated already: below every rating.
SEEN = np.float32(-1e9)


@dataclass(frozen=True)
class Ratings:
    """`values` [guests, dishes] in 1…5; the training may see those that are `known`, and not those `held_out`."""

    values: np.ndarray
    known: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Factors:
    """A rating is `guests[g] · dishes[d] + bias[d]`, the guest's own bias being his last factor."""

    guests: np.ndarray  # [guests, rank + 1]
    dishes: np.ndarray  # [dishes, rank + 1], the last column all ones
    bias: np.ndarray  # [dishes]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    data = ratings()
    factors = factorise(data)
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    write_onnx(factors, data.known, folder / "dishes.onnx")
    print(f"dishes: {summary(data, factors)}")
    if importlib.util.find_spec("tensorflow"):
        write_saved_model(factors, data.known, folder / "dishes-tensorflow")
    else:
        print("dishes-tensorflow: needs TensorFlow, which is not installed: pip install 'modelport[tensorflow]'")


def ratings() -> Ratings:
    """The ratings of all guests for all dishes, and who has told which of them."""
    random = np.random.default_rng(11)
    dishes = len(DISHES)
    tongue = random.normal(0, 0.9, (GUESTS, dishes // CUISINE)).repeat(CUISINE, axis=1)
    likeness = random.normal(0, 0.5, (GUESTS, 3)) @ random.normal(0, 1, (3, dishes))
    sweet = random.normal(0.2, 0.7, (GUESTS, 1)) * (np.arange(dishes) % CUISINE == SWEET)
    noise = random.normal(0, 0.4, (GUESTS, dishes))
    values = np.clip(np.rint(3.2 + random.normal(0, 0.4, dishes) + tongue + likeness + sweet + noise), 1, 5)
    told = random.random((GUESTS, dishes)) < 1 / 3
    held_out = told & (random.random((GUESTS, dishes)) < 0.1)
    return Ratings(values, told & ~held_out, held_out)


def factorise(data: Ratings) -> Factors:
    """Alternating least squares: the best guests for the dishes as they are, then the best dishes for the guests."""
    random = np.random.default_rng(0)
    bias = (data.values * data.known).sum(0) / data.known.sum(0)
    rest = data.values - bias
    dishes = np.c_[random.normal(0, 0.1, (len(bias), RANK)), np.ones(len(bias))]
    for _ in range(SWEEPS):
        guests = _solved(dishes, rest, data.known)
        dishes[:, :RANK] = _solved(guests[:, :RANK], (rest - guests[:, RANK:]).T, data.known.T)
    return Factors(guests.astype(np.float32), dishes.astype(np.float32), bias.astype(np.float32))


def _solved(fixed: np.ndarray, wanted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each row of `wanted`, the ridge regression of its known values on the rows of `fixed`."""
    penalty = RIDGE * np.eye(fixed.shape[1])
    made = np.empty((len(wanted), fixed.shape[1]))
    for row, (values, which) in enumerate(zip(wanted, known, strict=True)):
        seen = fixed[which]
        made[row] = np.linalg.solve(seen.T @ seen + penalty, seen.T @ values[which])
    return made


def summary(data: Ratings, factors: Factors) -> str:
    """How far the ratings that were held out are from what is expected, in stars."""
    expected = factors.guests @ factors.dishes.T + factors.bias
    error = np.sqrt(np.mean((expected - data.values)[data.held_out] ** 2))
    plain = np.sqrt(np.mean((factors.bias - data.values)[data.held_out] ** 2))
    return (
        f"{GUESTS} guests, {len(DISHES)} dishes; held-out error {error:.2f} stars where each dish's mean has "
        f"{plain:.2f} ({data.held_out.sum()} ratings)"
    )


def write_onnx(factors: Factors, known: np.ndarray, path: Path) -> None:
    """Gather the guest's factors, multiply them with the dishes', put what was rated last, take the best."""
    weights = {
        "guests": factors.guests,
        "dishes_T": np.ascontiguousarray(factors.dishes.T),
        "bias": factors.bias,
        "known": known,
        "seen": SEEN,
        "top": np.array([TOP]),
    }
    nodes = [
        helper.make_node("Gather", ["guests", "user"], ["factors"]),
        helper.make_node("MatMul", ["factors", "dishes_T"], ["tastes"]),
        helper.make_node("Add", ["tastes", "bias"], ["expected"]),
        helper.make_node("Gather", ["known", "user"], ["rated"]),
        helper.make_node("Where", ["rated", "seen", "expected"], ["new"]),
        helper.make_node("TopK", ["new", "top"], ["scores", "dishes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recommender",
        [helper.make_tensor_value_info("user", TensorProto.INT64, ["guests_asked"])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["guests_asked", TOP]),
            helper.make_tensor_value_info("dishes", TensorProto.INT64, ["guests_asked", TOP]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_saved_model(factors: Factors, known: np.ndarray, folder: Path) -> None:
    """The same computation as a TensorFlow function, with `serving_default` as its signature."""
    import tensorflow as tf  # noqa: PLC0415 - only for this file, and it takes seconds

    module = tf.Module()
    module.guests, module.dishes = tf.Variable(factors.guests), tf.Variable(factors.dishes)
    module.bias, module.known = tf.Variable(factors.bias), tf.Variable(known)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="user")])
    def recommend(user: tf.Tensor) -> dict[str, tf.Tensor]:
        expected = tf.matmul(tf.gather(module.guests, user), module.dishes, transpose_b=True) + module.bias
        best = tf.math.top_k(tf.where(tf.gather(module.known, user), SEEN, expected), TOP)
        return {"scores": best.values, "dishes": tf.cast(best.indices, tf.int64)}

    module.recommend = recommend
    tf.saved_model.save(module, str(folder), signatures=recommend)
    print(f"dishes-tensorflow: the same factors as a SavedModel of TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
