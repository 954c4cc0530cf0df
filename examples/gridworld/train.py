"""Reinforcement learning: Q-learning finds the way through a small world with walls, pits and a goal.

    python examples/gridworld/train.py [FOLDER]      (default: examples/gridworld/models)
    modelport serve examples/gridworld/models

A policy is a model like any other: the state goes in, the action and the value of each action come out. Here the
states are the 36 cells, and the table of values that was learned is all there is to the model. It is written as ONNX.

The floor is slippery: one step in ten goes somewhere else than it should. A step costs 1, the goal pays 20, a pit costs
20; both end the walk.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
#: S start, G goal, # wall, o pit.
WORLD = [
    "S..#..",
    ".#...o",
    ".#.#..",
    "..o.#.",
    "#....#",
    "...o.G",
]
SIDE = len(WORLD)
ACTIONS = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
SLIP, GOAL, PIT, STEP = 0.1, 20.0, -20.0, -1.0
WALKS, LONGEST, LEARNING, EXPLORING, DISCOUNT = 4000, 100, 0.1, 0.2, 0.98


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    table = learn(np.random.default_rng(0))
    write_onnx(table, folder / "gridworld.onnx")
    reached, reward = evaluate(table, np.random.default_rng(1))
    random_reached, random_reward = evaluate(np.zeros_like(table), np.random.default_rng(1))
    print(
        f"gridworld: cell → action; of 1000 new walks {reached:.1%} reach the goal, mean reward {reward:.1f}; "
        f"walking at random {random_reached:.1%} do, {random_reward:.1f}"
    )


def step(cell: int, action: int, random: np.random.Generator) -> tuple[int, float, bool]:
    """Where an action leads: the next cell, the reward, and whether the walk is over. Walls and the rim stop."""
    if random.random() < SLIP:
        action = int(random.integers(len(ACTIONS)))
    down, right = list(ACTIONS.values())[action]
    row, column = cell // SIDE + down, cell % SIDE + right
    inside = 0 <= row < SIDE and 0 <= column < SIDE
    if not inside or WORLD[row][column] == "#":
        return cell, STEP, False
    ends = {"G": GOAL, "o": PIT}.get(WORLD[row][column])
    return row * SIDE + column, STEP if ends is None else ends, ends is not None


def learn(random: np.random.Generator) -> np.ndarray:
    """The value of each action [cells, actions], learned by walking."""
    table = np.zeros((SIDE * SIDE, len(ACTIONS)))
    for _ in range(WALKS):
        cell = int(random.choice([at for at, kind in enumerate("".join(WORLD)) if kind in "S."]))
        for _ in range(LONGEST):
            action = _choose(table[cell], EXPLORING, random)
            following, reward, over = step(cell, action, random)
            worth = reward + (0 if over else DISCOUNT * table[following].max())
            table[cell, action] += LEARNING * (worth - table[cell, action])
            cell = following
            if over:
                break
    return table


def _choose(values: np.ndarray, exploring: float, random: np.random.Generator) -> int:
    """The best action, or any; of equal ones any."""
    if random.random() < exploring:
        return int(random.integers(len(values)))
    return int(random.choice(np.flatnonzero(values == values.max())))


def evaluate(table: np.ndarray, random: np.random.Generator, walks: int = 1000) -> tuple[float, float]:
    """The share of walks from the start that reach the goal, and the mean reward of a walk."""
    reached, rewards = 0, 0.0
    for _ in range(walks):
        cell = "".join(WORLD).index("S")
        for _ in range(LONGEST):
            cell, reward, over = step(cell, _choose(table[cell], 0, random), random)
            rewards += reward
            if over:
                reached += reward == GOAL
                break
    return reached / walks, rewards / walks


def write_onnx(table: np.ndarray, path: Path) -> None:
    """Two nodes: the row of the table, and its best place. What the numbers mean travels in the file."""
    nodes = [
        helper.make_node("Gather", ["table", "cell"], ["values"]),
        helper.make_node("ArgMax", ["values"], ["action"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "gridworld",
        [helper.make_tensor_value_info("cell", TensorProto.INT64, ["n"])],
        [
            helper.make_tensor_value_info("action", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", len(ACTIONS)]),
        ],
        [numpy_helper.from_array(table.astype(np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    meaning = {
        "description": f"Which way to go in a world of {SIDE}×{SIDE} cells, numbered row by row from 0.",
        "outputs": {
            "action": {"kind": "labels", "labels": list(ACTIONS)},
            "values": {"kind": "ranking", "items": list(ACTIONS)},
        },
    }
    model.metadata_props.add(key="modelport", value=json.dumps(meaning, ensure_ascii=False))
    onnx.save(model, path)


if __name__ == "__main__":
    main()
