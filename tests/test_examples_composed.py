"""The pipelines, the streaming Python model and the policy: what their own programs compute, served."""

from __future__ import annotations

import json
import queue

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton

from example_programs import ask, figure, predict, program, train, words
from running import Running

EXAMPLES = ("ensemble", "writer", "gridworld")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Each example's folder and what its program printed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in EXAMPLES}
    return {name: (folder, train(name, folder)) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def server(trained):
    running = Running(*[folder for folder, _ in trained.values()], "--trust", "writer").wait_ready(60)
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(scope="module")
def opinions():
    """Held-out rows, their classes, the two fitted models, and what the composed ones should say."""
    made = program("ensemble")
    rows, held_out, classes, held_out_classes = made.split()
    models = made.fit(rows, classes)
    return held_out, held_out_classes, models, made.composed(models, held_out)


def test_the_committee_is_the_mean_of_its_members(server, trained, opinions):
    held_out, classes, models, told = opinions
    given = ask(server.url, "committee", {"X": held_out})["probabilities"]
    mean = np.mean([model.predict_proba(held_out) for model in models.values()], axis=0)
    np.testing.assert_allclose(given, mean, atol=1e-5)
    says = models["forest"].classes_[given.argmax(1)]
    assert says.tolist() == told["committee"].tolist()
    right = figure(trained["ensemble"][1], "committee", "accuracy ")
    assert round(np.mean(says == classes), 3) == right > 0.95


def test_what_one_calls_benign_is_asked_of_the_other(server, opinions):
    held_out, classes, models, told = opinions
    given = ask(server.url, "second-opinion", {"X": held_out})
    assert words(given["first"]).tolist() == models["logistic"].predict(held_out).tolist()
    assert words(given["label"]).tolist() == told["second-opinion"].tolist()
    assert (given["first"] != given["label"]).any()  # else the router shows nothing
    malignant = classes == "malignant"
    first, both = (np.mean(words(given[name])[malignant] == "malignant") for name in ("first", "label"))
    assert 0.9 < first < both


def direct_words(trained, seed, count):
    """What the model's class gives without a server."""
    model = program("writer", "model").Writer()
    model.load(trained["writer"][0] / "writer")
    return list(model.predict(seed, count))


def test_words_are_streamed_over_rest(server, trained):
    with httpx.stream(
        "POST", f"{server.url}/v2/models/writer/generate_stream", json={"seed": 3, "words": 12}, timeout=60
    ) as stream:
        lines = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
    assert [json.loads(line)["output"] for line in lines] == direct_words(trained, 3, 12)


def test_words_are_streamed_over_grpc(server, trained):
    got = queue.Queue()
    inputs = []
    for name, value in (("seed", 5), ("words", 8)):
        inputs.append(triton.InferInput(name, (1,), "INT64"))
        inputs[-1].set_data_from_numpy(np.array([value]))
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        client.start_stream(lambda result, error: got.put((result, error)))
        client.async_stream_infer("writer", inputs)
        results = [got.get(timeout=30) for _ in range(8)]
        client.stop_stream()
    assert not any(error for _, error in results)
    assert [result.as_numpy("output")[0].decode() for result, _ in results] == direct_words(trained, 5, 8)


def test_a_request_for_one_answer_gets_the_last_word(server, trained):
    given = ask(server.url, "writer", {"seed": np.array([3]), "words": np.array([12])})
    assert words(given["output"]).tolist() == direct_words(trained, 3, 12)[-1:]


def test_the_policy_is_the_table_that_was_learned(server):
    made = program("gridworld")
    table = made.learn(np.random.default_rng(0)).astype(np.float32)
    cells = np.arange(len(table))
    given = ask(server.url, "gridworld", {"cell": cells})
    np.testing.assert_array_equal(given["values"], table)
    np.testing.assert_array_equal(given["action"], table.argmax(1))


def test_following_the_served_policy_leads_to_the_goal(server, trained):
    made = program("gridworld")
    actions = ask(server.url, "gridworld", {"cell": np.arange(made.SIDE**2)})["action"]
    policy = np.eye(len(made.ACTIONS))[actions]
    reached, reward = made.evaluate(policy, np.random.default_rng(1))
    assert reached > 0.85 > 0.05 > made.evaluate(np.zeros_like(policy), np.random.default_rng(1))[0]
    assert figure(trained["gridworld"][1], "gridworld", "new walks ") == pytest.approx(reached, abs=0.02)
    assert reward > 0


def test_people_are_told_which_way_to_go(server):
    [answer] = predict(server.url, "gridworld", {"instances": [{"cell": 34}]})
    assert answer["action"] == "right"
    assert answer["values"][0]["item"] == "right"
