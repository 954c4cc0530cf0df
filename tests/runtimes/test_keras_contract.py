"""The runtime contract on Keras files, `.keras` and `.h5`."""

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.keras")

from modelport.runtimes.catalog import detect, runtime_for
from modelport.runtimes.tensorflow.keras import _keras as keras
from modelport.testing.runtime_contract import ModelCase, RuntimeContract
from runtimes import tensorflow_models as models


def direct(path, value):
    """What Keras gives when it is called directly."""
    model = models.quietly(keras.saving.load_model, str(path), compile=False)
    return models.quietly(model.predict_on_batch, value)


def classifier(folder, suffix):
    model, rows = models.iris()
    path = models.keras_file(folder / f"iris{suffix}", model)
    return ModelCase(path, {"flower": rows}, {"species": direct(path, rows)})


def pictures(folder, suffix):
    model, rows = models.pictures()
    path = models.keras_file(folder / f"digits{suffix}", model)
    return ModelCase(path, {"picture": rows}, {"digit": direct(path, rows)})


def text(folder, suffix):
    path = models.keras_file(folder / f"text{suffix}", models.text())
    texts = np.array([[b"good day"], [b"bad"], ["süß".encode()], [b""]], object)
    return ModelCase(path, {"text": texts}, {"good": direct(path, models.tf.constant(texts))})


def several(folder, suffix):
    path = models.keras_file(folder / f"applicants{suffix}", models.applicants())
    ages, jobs = np.array([[20], [61.5]], np.float32), np.array([[b"clerk"], [b"king"]], object)
    given = direct(path, {"age": ages, "job": models.tf.constant(jobs)})
    return ModelCase(path, {"age": ages, "job": jobs}, {name: given[name] for name in sorted(given)})


CASES = {
    f"{function.__name__}{suffix}": (function, suffix)
    for function in (classifier, pictures, text, several)
    for suffix in (".keras", ".h5")
    if (function, suffix) != (several, ".h5")  # an HDF5 file forgets the names of the outputs
}


@pytest.fixture(scope="module", params=CASES)
def made(request, tmp_path_factory):
    function, suffix = CASES[request.param]
    return function(tmp_path_factory.mktemp("keras"), suffix)


class TestKeras(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return runtime_for("keras")

    @pytest.fixture
    def case(self, made):
        return made

    def test_it_is_recognised(self, case):
        assert detect(case.path) == "keras"
