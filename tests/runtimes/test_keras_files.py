"""What the Keras runtime says of files: broken ones, dangerous ones, models without an input; what layers tell."""

import json
import shutil
import zipfile

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.keras")

import h5py

from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.meaning import Image, Probabilities, Text
from modelport.core.runtime import LoadSpec
from modelport.runtimes.tensorflow.keras import KerasRuntime
from modelport.runtimes.tensorflow.keras import _keras as keras
from modelport.runtimes.tensorflow.keras_file import check_config
from runtimes import tensorflow_models as models


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    return models.keras_file(tmp_path_factory.mktemp("keras") / "iris.keras", models.iris()[0])


@pytest.fixture
def h5(tmp_path):
    return models.keras_file(tmp_path / "iris.h5", models.iris()[0])


def load(path, **spec):
    return KerasRuntime().load(path, LoadSpec(threads=1, **spec))


def failure(path):
    with pytest.raises(InvalidModelError) as caught:
        load(path)
    return str(caught.value)


def rewritten(path, folder, **members):
    """The archive with members replaced (None: left out)."""
    target = folder / path.name
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        contents = {item: archive.read(item) for item in archive.namelist()}
        for name, content in {**contents, **members}.items():
            if content is not None:
                made.writestr(name, content)
    return target


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_of_code_are_refused(tmp_path, suffix):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)])
    says = failure(models.keras_file(tmp_path / f"code{suffix}", model))
    assert says == (
        f"code{suffix} has a 'Lambda' layer, which runs Python code from the file; such files are not loaded. Write "
        "the layer with Keras's own layers, or save the model as a SavedModel: model.export(folder)"
    )


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"module": "os", "class_name": "system", "registered_name": None}, "names 'system' of the Python module 'os'"),
        ({"module": "kerasevil", "class_name": "X"}, "names 'X' of the Python module 'kerasevil'"),
        (
            {"module": "mine", "class_name": "Mine", "registered_name": "Mine"},
            "needs the Python class or function 'Mine'",
        ),
        (
            {"module": "keras.utils", "class_name": "function", "config": "get_file"},
            "names a function of 'keras.utils'",
        ),
        ({"class_name": "__lambda__", "config": {"value": "code"}}, "has a '__lambda__' layer"),
        ({"class_name": "TorchModuleWrapper"}, "has a 'TorchModuleWrapper' layer"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "/x"}}, "has a 'TFSMLayer', which loads another model"),
        (
            {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
            "names the file '/etc/passwd' as its",
        ),
    ],
)
def test_what_a_configuration_may_not_name(part, says):
    with pytest.raises(InvalidModelError, match=f"^evil.keras {says}"):
        check_config(
            {"class_name": "Sequential", "module": "keras", "config": {"layers": [[{"a": part}]]}}, "evil.keras"
        )


def test_a_configuration_that_is_too_deep():
    deep = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(InvalidModelError, match="nested more than 200 deep"):
        check_config(deep, "deep.keras")


def test_a_lambda_that_hides(iris, tmp_path):
    config = config_of(iris)
    config["config"]["layers"][1]["config"]["activation"] = {"class_name": "__lambda__", "config": {"value": ["AAAA"]}}
    hidden = rewritten(iris, tmp_path, **{"config.json": json.dumps(config)})
    assert "has a '__lambda__' layer, which runs Python code" in failure(hidden)


def test_archives_that_are_not_keras(iris, tmp_path):
    assert failure(rewritten(iris, tmp_path, **{"metadata.json": None})) == (
        "iris.keras is a zip archive, but not a Keras one: it lacks metadata.json"
    )
    assert failure(rewritten(iris, tmp_path, **{"config.json": b"{"})).startswith("iris.keras/config.json is not JSON")
    assert (
        failure(rewritten(iris, tmp_path, **{"config.json": b"[]"})) == "iris.keras/config.json must be a JSON object"
    )
    assert "iris.keras is cut short or damaged" in failure(rewritten(iris, tmp_path, **{"model.weights.h5": b"x" * 99}))
    assert "holds '../../x', which would be written outside" in failure(rewritten(iris, tmp_path, **{"../../x": b""}))


def test_a_bomb(iris, tmp_path, monkeypatch):
    monkeypatch.setattr("modelport.runtimes.tensorflow.keras_file._MUCH", 1 << 20)
    bomb = rewritten(iris, tmp_path, **{"assets/zeros": bytes(64 << 20)})
    assert "and would unpack to 67" in failure(bomb)


def test_another_version(iris, tmp_path):
    config = config_of(iris)
    config["config"]["layers"][1]["class_name"] = "Conjure"
    metadata = json.dumps({"keras_version": "9.9.9"})
    newer = rewritten(iris, tmp_path, **{"config.json": json.dumps(config), "metadata.json": metadata})
    says = failure(newer)
    assert says.startswith(f"iris.keras can't be loaded by Keras {keras.__version__} (it was made by 9.9.9): ")
    assert "Conjure" in says


def test_data_in_other_files(h5, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 64)
    with h5py.File(h5, "a") as file:
        file["model_weights"]["linked"] = h5py.ExternalLink("/etc/passwd", "/x")
    assert failure(h5) == "iris.h5: its part 'linked' is a link to the file '/etc/passwd'"
    with h5py.File(h5, "a") as file:
        del file["model_weights"]["linked"]
        file.create_dataset("stolen", (64,), "uint8", external=[(str(secret), 0, 64)])
    assert failure(h5) == "iris.h5: the data of its part '/stolen' lies in other files"


def test_hdf5_files_that_are_no_models(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    assert failure(path) == "other.h5 is an HDF5 file with no model_config: it is not Keras's"
    weights = tmp_path / "only.weights.h5"
    models.quietly(models.iris()[0].save_weights, str(weights))
    assert failure(weights).startswith("only.weights.h5 is an HDF5 file with weights only: save the whole model")


def test_a_name_that_keras_does_not_read(iris, tmp_path):
    path = tmp_path / "iris.model"
    shutil.copy(iris, path)
    assert failure(path) == "iris.model is a Keras model, but Keras reads it only if its name ends in .keras"


def test_a_model_that_was_never_built(tmp_path):
    path = models.keras_file(tmp_path / "unbuilt.keras", keras.Sequential([keras.layers.Dense(2, name="out")]))
    assert "does not say what it takes: write its input into modelport.toml" in failure(path)
    model = load(path, inputs=(DeclaredTensor("x", "FP32", (-1, 3)),))
    assert [spec.describe() for spec in model.signature.inputs] == ["x FP32 [-1, 3]"]
    assert model.predict({"x": np.ones((2, 3), np.float32)})["out"].shape == (2, 2)


def test_what_layers_tell(tmp_path):
    pictures = load(models.keras_file(tmp_path / "pictures.keras", models.pictures()[0])).signature
    assert pictures.input("picture").meaning == Image(height=8, width=8, channels=1, layout="HWC")
    assert pictures.output("digit").meaning == Probabilities()
    text = load(models.keras_file(tmp_path / "text.keras", models.text())).signature
    assert text.input("text").meaning == Text()
    assert text.output("good").meaning is None
    applicants = load(models.keras_file(tmp_path / "applicants.keras", models.applicants())).signature
    assert [spec.meaning for spec in applicants.inputs] == [None, None]


def test_what_a_model_says_of_itself(iris, h5):
    info = load(iris).info
    assert (info.format, info.platform) == ("keras", "keras")
    assert info.framework.startswith(f"Keras {keras.__version__} on TensorFlow 2.")
    assert info.properties["parameters"] == str(models.iris()[0].count_params())
    assert info.properties["file_format"] == "Keras 3 archive"
    assert load(h5).info.properties["file_format"] == "Keras HDF5"


def test_options_do_not_exist(iris):
    with pytest.raises(InvalidInputError, match="unknown option 'safe_mode'; Keras models take none"):
        load(iris, options={"safe_mode": "no"})
