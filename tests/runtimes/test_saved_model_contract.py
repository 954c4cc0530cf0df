"""The runtime contract on SavedModels: exported classifiers, texts, lookups, every dtype."""

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.process")

import ml_dtypes

from modelport.core.runtime import LoadSpec
from modelport.runtimes.catalog import detect, runtime_for
from modelport.runtimes.tensorflow.process import tf
from modelport.testing.runtime_contract import ModelCase, RuntimeContract
from runtimes import tensorflow_models as models

MOST = np.array([[b"good day"], [b"bad"], ["süß".encode()], [b""]], object)


def direct(path, inputs, signature="serving_default"):
    """What TensorFlow gives when it is called directly."""
    function = tf.saved_model.load(str(path)).signatures[signature]
    given = function(**{name: tf.constant(array) for name, array in inputs.items()})
    arrays = {}
    for name in sorted(given):
        value = given[name].numpy()
        arrays[name] = value if isinstance(value, np.ndarray) else np.array(value, object)
    return arrays


def classifier(folder):
    model, rows = models.iris()
    path = models.export(folder, model)
    return ModelCase(path, {"flower": rows[:20]}, direct(path, {"flower": rows[:20]}))


def text(folder):
    path = models.export(folder, models.text())
    return ModelCase(path, {"text": MOST}, direct(path, {"text": MOST}))


def recommender(folder):
    module = models.Recommender()
    path = models.save(folder, module, serving_default=module.score, top=module.top)
    users = np.array([0, 5, 2], np.int32)
    refused = ({"user": np.array([0, 6], np.int32)},)
    return ModelCase(path, {"user": users}, direct(path, {"user": users}), refused=refused)


def another_signature(folder):
    module = models.Recommender()
    path = models.save(folder, module, serving_default=module.score, top=module.top)
    inputs = {"user": np.array([b"user 3", b"nobody"], object), "count": np.array(2, np.int32)}
    spec = LoadSpec(threads=1, options={"signature": "top"})
    return ModelCase(path, inputs, direct(path, inputs, "top"), spec=spec)


def every_dtype(folder):
    module = models.Echo()
    path = models.save(folder, module, serving_default=module.all)
    random = np.random.default_rng(0)
    inputs = {}
    for name in models.DTYPES:
        kind = {"bfloat16": ml_dtypes.bfloat16, "string": object}.get(name, name)
        inputs[name] = random.integers(0, 2, (3, 2)).astype(kind)
    inputs["string"] = np.array([[b"a", b"\xff"], [b"", "ü".encode()], [b"b" * 1000, b"\0"]], object)
    inputs["one"], inputs["any"] = np.array(b"one", object), np.ones((2, 1, 3), np.float32)
    expected = {f"{name}_out": array for name, array in sorted(inputs.items(), key=lambda item: f"{item[0]}_out")}
    return ModelCase(path, inputs, expected)


CASES = {function.__name__: function for function in (classifier, text, recommender, another_signature, every_dtype)}


@pytest.fixture(scope="module", params=CASES)
def made(request, tmp_path_factory):
    return CASES[request.param](tmp_path_factory.mktemp("saved") / "model")


class TestSavedModel(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return runtime_for("tensorflow")

    @pytest.fixture
    def case(self, made):
        return made

    def test_it_is_recognised(self, case):
        assert detect(case.path) == "tensorflow"
