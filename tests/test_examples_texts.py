"""The text classifiers: scikit-learn's and Keras's answers to texts that were held out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("skops")

from example_programs import ask, figure, need, predict, program, texts, train, words
from running import Running


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    return folder, train("texts", folder)


@pytest.fixture(scope="module")
def server(trained):
    running = Running(trained[0]).wait_ready(120)
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(scope="module")
def example():
    return program("texts")


@pytest.mark.parametrize(
    ("model", "kind", "tolerance"),
    [("intents", "by_words", 2e-6), ("sentiment", "by_letters", 1e-12)],  # ONNX computes in float32
)
def test_logistic_regression_is_scikit_learns(server, trained, example, model, kind, tolerance):
    known, held_out, classes, wanted = example.split(model)
    fitted = getattr(example, kind)().fit(known, classes)
    given = ask(server.url, model, {"text": texts(held_out)})
    assert words(given["label"]).tolist() == fitted.predict(held_out).tolist()
    np.testing.assert_allclose(given["probabilities"], fitted.predict_proba(held_out), atol=tolerance)
    right = np.mean(words(given["label"]) == wanted)
    assert round(right, 2) == figure(trained[1], model, "accuracy ") >= 0.7


def test_the_embedding_is_keras_own(server, trained, example):
    need("keras")
    import keras

    _, held_out, _, wanted = example.split("intents")
    network = keras.models.load_model(trained[0] / "intents-embedding.keras")
    given = ask(server.url, "intents-embedding", {"text": texts(held_out)})
    np.testing.assert_allclose(given["intent"], example.scores(network, held_out), rtol=1e-6)
    right = np.mean(np.unique(wanted)[given["intent"].argmax(1)] == wanted)
    assert round(right, 2) == figure(trained[1], "intents-embedding", "accuracy ") >= 0.6


@pytest.mark.parametrize(("model", "output"), [("intents", "probabilities"), ("intents-embedding", "intent")])
def test_a_customer_writes_plain_text(server, model, output):
    if model == "intents-embedding":
        need("keras")
    [answer] = predict(server.url, model, b"My parcel has not arrived, where is it?", "text/plain")
    assert max(answer[output], key=answer[output].get) == "delivery"


def test_a_headline_is_good_news_or_bad(server):
    good, bad = predict(
        server.url, "sentiment", {"instances": ["team celebrates record win", "fears after bank crash"]}
    )
    assert (good["label"], bad["label"]) == ("good", "bad")
