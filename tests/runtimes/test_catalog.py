"""Formats by content and by name, and the runtimes that load them."""

import gzip
import io
import json
import pickle
import sys
import zipfile
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from onnx_graphs import classifier, identity

from modelport.core.errors import InternalError, InvalidModelError, MissingExtraError, NotFoundError
from modelport.core.runtime import LoadSpec, Runtime
from modelport.runtimes import catalog
from modelport.runtimes.catalog import Entry, detect, formats, load, runtime_for
from modelport.runtimes.detection import look_at
from modelport.testing.fakes import FakeRuntime


def archive(*names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        for name in names:
            opened.writestr(name, b"")
    return held.getvalue()


FILES = {
    "m.pkl": (pickle.dumps({"a": 1}), "a Python pickle (scikit-learn and joblib write them)"),
    "m.bin": (pickle.dumps([1], protocol=2), "a Python pickle"),
    "m.joblib": (b"x\x9c....", "a Python pickle"),
    "protocol0.pkl": (b"(lp0\n.", "a Python pickle"),
    "m.keras": (archive("config.json", "metadata.json", "model.weights.h5"), "a Keras 3 archive (.keras)"),
    "m.pt": (archive("m/data.pkl", "m/constants.pkl", "m/code/x.py"), "a TorchScript archive"),
    "c.pt": (archive("c/data.pkl", "c/version"), "a PyTorch checkpoint (torch.save): weights without the model's code"),
    "m.pt2": (archive("m/archive_format", "m/models/model.json"), "a PyTorch exported program (.pt2)"),
    "m.mar": (archive("MAR-INF/MANIFEST.json", "m.pt"), "a TorchServe archive (.mar)"),
    "m.skops": (archive("schema.json", "1.npy"), "a skops archive of a scikit-learn model"),
    "m.npz": (archive("a.npy"), "NumPy arrays (.npz), not a model"),
    "mojo.zip": (archive("model.ini"), "an H2O MOJO archive"),
    "m.zip": (archive("x.txt"), "a zip archive: unpack it first"),
    "cut.zip": (b"PK\x03\x04....", "a zip archive that is cut short or damaged"),
    "m.h5": (b"\x89HDF\r\n\x1a\n....", "an HDF5 file (Keras 1 and 2 write them)"),
    "m.tflite": (b"\x1c\0\0\0TFL3....", "a TensorFlow Lite (LiteRT) model"),
    "m.ort": (b"\x1c\0\0\0ORTM....", "an ORT-format model of ONNX Runtime"),
    "m.txt": (b"tree\nversion=v4\nnum_class=1\n", "a LightGBM model in text form"),
    "xgb.json": (b'{"learner": {"attributes": {}}}', "an XGBoost model"),
    "xgb.ubj": (b"{L\0\0\0\0\0\0\0\x07learner{", "an XGBoost model"),
    "other.json": (b' {"a": 1}', "a JSON document of an unknown kind"),
    "m.pmml": (b'<?xml version="1.0"?>\n<PMML version="4.4">', "a PMML document"),
    "ir.xml": (b'<?xml version="1.0"?>\n<net name="m" version="11">', "an OpenVINO IR model"),
    "x.xml": (b"<other/>", "an XML document of an unknown kind"),
    "page.onnx": (b"<!DOCTYPE html><html>", "a web page: the download went wrong"),
    "lfs.onnx": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer: run `git lfs pull`"),
    "m.safetensors": (
        (2).to_bytes(8, "little") + b"{}",
        "a safetensors file: weights without the model's code",
    ),
    "m.cbm": (b"CBM1....", "a CatBoost model"),
    "m.gguf": (b"GGUF\3\0\0\0", "a GGUF file: weights of a language model"),
    "m.plan": (b"ftrt....", "a TensorRT engine"),
    "m.npy": (b"\x93NUMPY....", "a NumPy array (.npy), not a model"),
    "m.gz": (gzip.compress(b"x"), "a gzip archive: unpack it first"),
    "m.so": (b"\x7fELF....", "a compiled library or program"),
    "frozen.pb": (b"\x0a\x02..", "a frozen TensorFlow graph"),
    "notes.md": (b"# notes", "of no format that is known"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is(tmp_path, name):
    content, description = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    look = look_at(path)
    assert look.description.startswith(description)
    if look.format in catalog.BUILT_IN:
        assert detect(path) == look.format
        return
    with pytest.raises(InvalidModelError) as caught:
        detect(path)
    assert str(caught.value).startswith(f"{name} is {description}")
    assert str(caught.value).endswith(f"Supported: {', '.join(catalog.BUILT_IN)}")


FOLDERS = {
    "saved_model.pb": "a TensorFlow SavedModel folder",
    "MLmodel": "an MLflow model folder",
    "config.json": "a Hugging Face transformers folder",
    "notes.txt": "a folder without a model file",
}


@pytest.mark.parametrize("member", FOLDERS)
def test_what_a_folder_is(tmp_path, member):
    (tmp_path / member).touch()
    look = look_at(tmp_path)
    assert look.description == FOLDERS[member]
    if look.format in catalog.BUILT_IN:
        assert detect(tmp_path) == look.format
        return
    with pytest.raises(InvalidModelError, match=f"is {FOLDERS[member]}"):
        detect(tmp_path)


def test_onnx_by_content_and_by_name(tmp_path):
    unnamed, broken, empty = tmp_path / "model", tmp_path / "broken.onnx", tmp_path / "empty.onnx"
    unnamed.write_bytes(identity().SerializeToString())
    broken.write_bytes(b"\x01\x02\x03")
    empty.touch()
    assert [detect(item) for item in (unnamed, broken, empty)] == ["onnx"] * 3
    unnamed.write_bytes(classifier()[0][:100])  # cut short after the graph has begun
    assert detect(unnamed) == "onnx"


def test_a_folder_with_an_onnx_file(tmp_path):
    (tmp_path / "m.onnx").write_bytes(identity().SerializeToString())
    assert detect(tmp_path) == "onnx"
    assert load(tmp_path, LoadSpec(threads=1)).signature.input("x").shape == (-1, 3)


def test_nothing_there(tmp_path):
    with pytest.raises(InvalidModelError, match=r"can't read .*nowhere: No such file"):
        detect(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(InvalidModelError, match=r"empty is empty \(0 bytes\)"):
        detect(tmp_path / "empty")


def test_load(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(identity().SerializeToString())
    loaded = load(path)
    assert loaded.predict({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[1, 1, 1]]


def test_the_formats():
    assert formats() == list(catalog.BUILT_IN)
    assert formats()[0] == "onnx"
    assert isinstance(runtime_for("onnx"), Runtime)


def test_a_format_that_nothing_loads():
    with pytest.raises(NotFoundError) as caught:
        runtime_for("onx")
    assert str(caught.value) == "no runtime loads the format 'onx' (did you mean 'onnx'?); there are {}".format(
        ", ".join(catalog.BUILT_IN)
    )


def test_a_framework_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in [name for name in sys.modules if name.startswith("modelport.runtimes.onnx.runtime")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError) as caught:
        runtime_for("onnx")
    assert str(caught.value) == "onnx models need 'onnxruntime', which is not installed: pip install 'onnxruntime'"


def test_an_extra_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(catalog.BUILT_IN, "new", Entry("no_such_framework.x:Runtime", "modelport[new]"))
    with pytest.raises(
        MissingExtraError, match=r"new models need 'no_such_framework', .*: pip install 'modelport\[new\]'"
    ):
        runtime_for("new")


def test_a_module_of_ours_that_is_missing_is_a_defect(monkeypatch):
    monkeypatch.setitem(catalog.BUILT_IN, "new", Entry("modelport.runtimes.no_such:Runtime", "modelport[new]"))
    with pytest.raises(ModuleNotFoundError):
        runtime_for("new")


@pytest.fixture
def plugin(monkeypatch):
    """Pretend that a package announces a runtime for the format `fake`."""

    def plugin(value, name="fake"):
        point = EntryPoint(name, value, catalog.GROUP)
        monkeypatch.setattr(catalog, "entry_points", lambda group: [point] if group == catalog.GROUP else [])

    return plugin


def test_a_runtime_of_another_package(plugin, tmp_path):
    plugin("modelport.testing.fakes:FakeRuntime")
    assert formats() == [*catalog.BUILT_IN, "fake"]
    assert isinstance(runtime_for("fake"), FakeRuntime)
    path = tmp_path / "m.fake"
    path.write_text(json.dumps({"fake": "echo", "shape": [-1, 2]}))
    assert detect(path) == "fake"
    x = np.ones((3, 2), np.float32)
    assert load(path).predict({"x": x})["y"].tolist() == x.tolist()


def test_a_format_that_is_told_apart_and_has_a_runtime(plugin, tmp_path):
    plugin("modelport.testing.fakes:FakeRuntime", "gguf")
    path = tmp_path / "m.gguf"
    path.write_bytes(FILES["m.gguf"][0])
    assert detect(path) == "gguf"


def test_built_in_runtimes_are_not_replaced(plugin):
    plugin("modelport.testing.fakes:FakeRuntime", "onnx")
    assert formats() == list(catalog.BUILT_IN)
    assert not isinstance(runtime_for("onnx"), FakeRuntime)


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        ("no_such_package:Runtime", MissingExtraError, "fake models need 'no_such_package', which is not installed"),
        ("builtins:dict", InternalError, "builtins:dict of builtins:dict is not a runtime: it has no method load"),
        ("builtins:no_such", InternalError, "the runtime of builtins:no_such for fake models can't be made"),
    ],
)
def test_runtimes_of_other_packages_that_are_broken(plugin, value, error, says):
    plugin(value)
    with pytest.raises(error, match=says):
        runtime_for("fake")
