"""The recommender: a guest's best new dishes, alike from the ONNX file and from TensorFlow's SavedModel."""

from __future__ import annotations

import httpx
import numpy as np
import onnxruntime
import pytest

from example_programs import ask, figure, need, predict, program, train
from running import Running

MODELS = ["dishes", "dishes-tensorflow"]
GUESTS = np.array([0, 7, 123, 799])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommender")
    return folder, train("recommender", folder)


@pytest.fixture(scope="module")
def server(trained):
    running = Running(trained[0]).wait_ready(120)
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(params=MODELS)
def model(request):
    if request.param == "dishes-tensorflow":
        need("tensorflow")
    return request.param


@pytest.fixture(scope="module")
def expected():
    """Every guest's expected ratings, with those of known dishes out of the way, computed in numpy."""
    made = program("recommender")
    data = made.ratings()
    factors = made.factorise(data)
    return np.where(data.known, -1e9, factors.guests @ factors.dishes.T + factors.bias), made.DISHES


def direct(folder, model):
    """What the framework gives when it is called directly."""
    if model == "dishes":
        session = onnxruntime.InferenceSession(folder / "dishes.onnx")
        return dict(zip(("scores", "dishes"), session.run(None, {"user": GUESTS}), strict=True))
    pytest.importorskip("modelport.runtimes.tensorflow.saved_model")
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / model))
    given = loaded.signatures["serving_default"](user=tf.constant(GUESTS))
    return {name: tensor.numpy() for name, tensor in given.items()}


def test_served_answers_are_the_frameworks(server, trained, model):
    given, wanted = ask(server.url, model, {"user": GUESTS}), direct(trained[0], model)
    assert given.keys() == wanted.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(array, wanted[name])


def test_the_best_new_dishes_come_first(server, expected, model):
    given = ask(server.url, model, {"user": GUESTS})
    best = np.argsort(-expected[0][GUESTS], axis=1)[:, :5]
    assert given["dishes"].tolist() == best.tolist()
    np.testing.assert_allclose(given["scores"], np.take_along_axis(expected[0][GUESTS], best, 1), rtol=1e-5)


def test_people_are_told_dishes_by_name(server, expected, model):
    [answer] = predict(server.url, model, {"instances": [{"user": 7}]})
    best = np.argsort(-expected[0][7])[:5]
    assert [item["item"] for item in answer["scores"]] == [expected[1][dish] for dish in best]
    assert list(answer) == ["scores"]


def test_an_unknown_guest_is_the_callers_error(server, model):
    answer = httpx.post(f"{server.url}/models/{model}/predict", json={"instances": [{"user": 800}]})
    assert (answer.status_code, "800" in answer.json()["error"]) == (400, True)


def test_it_is_better_than_each_dishs_mean(trained):
    error, plain = (figure(trained[1], "dishes", before) for before in ("error ", "mean has "))
    assert error < 0.9 < 1.1 < plain
