"""What the SavedModel runtime says of folders that it can't load, of signatures, dangerous operations, options."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.process")

from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError, ModelFailedError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.tensorflow.process import device_name, tf
from modelport.runtimes.tensorflow.saved_model import SavedModelRuntime
from modelport.runtimes.tensorflow.saved_model_file import read_saved_model
from runtimes import tensorflow_models as models


@pytest.fixture(scope="module")
def recommender(tmp_path_factory):
    module = models.Recommender()
    return models.save(
        tmp_path_factory.mktemp("saved") / "things", module, serving_default=module.score, top=module.top
    )


@pytest.fixture
def copied(recommender, tmp_path):
    return shutil.copytree(recommender, tmp_path / "things")


def load(path, **options):
    return SavedModelRuntime().load(path, LoadSpec(threads=1, options=options))


def failure(path, error=InvalidModelError, **options):
    with pytest.raises(error) as caught:
        load(path, **options)
    return str(caught.value)


def changed(path, change):
    """The folder with its description changed."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    made = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(made)
    file.write_bytes(made.SerializeToString())
    return path


def test_all_signatures(recommender):
    model = load(recommender)
    assert list(model.signatures) == ["serving_default", "top"]
    user, count = np.array([b"user 1"], object), np.array(3, np.int32)
    best = model.predict_signature("top", {"user": user, "count": count})
    scores = model.predict({"user": np.array([1], np.int32)})["scores"][0]
    assert best["things"].tolist() == [[f"thing {at}".encode() for at in np.argsort(-scores)[:3]]]
    assert list(model.predict_signature("top", {"user": user, "count": count}, ("scores",))) == ["scores"]
    assert model.info.properties["signatures"] == (
        "serving_default: user INT32 [-1] → scores FP32 [-1, 8]; "
        "top: count INT32 [], user BYTES [-1] → scores FP32 [-1, -1], things BYTES [-1, -1]"
    )
    with pytest.raises(InvalidInputError, match=r"unknown signature 'topp' \(did you mean 'top'\?\); the model has"):
        model.predict_signature("topp", {})
    top = model.signatures["top"]
    model.close()
    with pytest.raises(ModelFailedError, match="the model is closed"):
        model.predict({"user": np.array([1], np.int32)})
    assert top.predict({"user": user, "count": count})["things"].tolist() == best["things"].tolist()
    top.close()
    with pytest.raises(ModelFailedError, match="the model is closed"):
        top.predict({"user": user, "count": count})


def test_a_model_without_serving_default(tmp_path):
    module = models.Recommender()
    assert load(models.save(tmp_path / "one", module, top=module.top)).info.properties["signature"] == "top"
    two = models.save(tmp_path / "two", module, best=module.top, score=module.score)
    assert failure(two) == (
        "two has no signature 'serving_default'; it has best, score: choose one with the option signature of [runtime] "
        "in modelport.toml"
    )
    assert load(two, signature="score").signature.input("user").datatype == "INT32"
    assert failure(two, InvalidInputError, signature="scor").startswith(
        "two has no signature 'scor' (did you mean 'score'?)"
    )


def test_a_model_without_signatures(tmp_path):
    path = tmp_path / "none"
    models.quietly(tf.saved_model.save, models.Reader(), str(path), signatures={})
    assert failure(path, files="allow").startswith("none has no signatures: save it with tf.saved_model.save(")


def test_operations_on_files_are_refused(tmp_path):
    module = models.Reader()
    path = models.save(tmp_path / "reader", module, serving_default=module.read)
    assert failure(path).startswith("reader has operations that use files or networks: ReadFile. Whoever made it")
    secret = tmp_path / "secret"
    secret.write_bytes(b"content")
    trusted = load(path, files="allow")
    assert trusted.info.properties["dangerous_ops"] == "ReadFile"
    given = trusted.predict({"path": np.array(str(secret).encode(), object)})
    assert given["content"].tolist() == b"content"
    assert read_saved_model(path).operations.outside == ("ReadFile",)


def test_a_checkpoint_that_is_written_by_a_signature(tmp_path):
    module = models.Writer()
    path = models.save(tmp_path / "writer", module, serving_default=module.write)
    assert "networks: SaveV2." in failure(path)


def test_what_every_saved_model_has_is_not_dangerous(recommender):
    assert "dangerous_ops" not in load(recommender).info.properties
    assert {"SaveV2", "RestoreV2"} <= read_saved_model(recommender).operations.all


def test_python_functions(tmp_path):
    module = models.Caller()
    path = models.save(tmp_path / "caller", module, serving_default=module.call)
    for options in ({}, {"files": "allow"}):
        assert failure(path, **options).startswith("caller calls Python functions (PyFunc), which no file can bring")


def test_a_folder_that_is_cut_short(copied):
    for part in ("variables/variables.data-00000-of-00001", "variables/variables.index"):
        file = copied / part
        content = file.read_bytes()
        for broken in (content[: len(content) // 2], b""):
            file.write_bytes(broken)
            assert failure(copied).startswith("things: the files of its variables or assets are missing, cut short or")
        file.unlink()
        assert failure(copied).startswith("things: the files of its variables or assets are missing, cut short or")
        file.write_bytes(content)
    file = copied / "saved_model.pb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert failure(copied) == "things/saved_model.pb is no SavedModel, or is cut short or damaged"
    file.unlink()
    assert failure(copied).endswith("things has no saved_model.pb, which a SavedModel folder must have")


def test_another_version(copied):
    def schema(made):
        made.saved_model_schema_version = 2

    assert "it has the schema version 2 (1 is right)" in failure(changed(copied, schema))


def test_an_operation_of_another_version(copied):
    def conjure(made):
        node = next(node for node in made.meta_graphs[0].graph_def.library.function[0].node_def if node.op != "Const")
        node.op = "ConjureV9"
        made.meta_graphs[0].meta_info_def.tensorflow_version = "9.9.9"

    says = failure(changed(copied, conjure))
    assert says.startswith("things (made by TensorFlow 9.9.9) uses the operation 'ConjureV9', which TensorFlow 2.")
    assert says.endswith("does not have: it belongs to another version, or to a library of custom operations")


def test_tensors_that_no_datatype_carries(copied):
    def complex_numbers(made):
        made.meta_graphs[0].signature_def["serving_default"].outputs["scores"].dtype = tf.complex64.as_datatype_enum

    says = failure(changed(copied, complex_numbers))
    assert says == (
        "things: the signature 'serving_default' can't be served: 'scores' has the dtype complex64, which no datatype "
        "of the protocol carries"
    )
    properties = load(copied, signature="top").info.properties
    assert "serving_default (not served: 'scores' has the dtype complex64" in properties["signatures"]


def test_tags(copied):
    def tag(*tags):
        def change(made):
            made.meta_graphs[0].meta_info_def.tags[:] = tags

        return change

    assert load(changed(copied, tag("serve", "gpu"))).signature.inputs
    assert load(changed(copied, tag("mine"))).signature.inputs

    def two(made):
        made.meta_graphs.append(made.meta_graphs[0])

    says = failure(changed(copied, two))
    assert says == "things has no graph with the tag 'serve'; the tags of its graphs are: mine; mine"


def test_options_and_devices(recommender):
    assert failure(recommender, InvalidInputError, signatur="top") == (
        "unknown option 'signatur' (did you mean 'signature'?); SavedModels take 'signature', 'files'"
    )
    assert "option 'files' is 'yes'; it is one of 'allow', 'refuse'" in failure(
        recommender, InvalidInputError, files="yes"
    )
    with pytest.raises(InvalidInputError, match="unknown device 'tpu'; TensorFlow models run on 'cpu', 'cuda'"):
        SavedModelRuntime().load(recommender, LoadSpec(device="tpu"))
    if not tf.config.list_physical_devices("GPU"):
        with pytest.raises(MissingExtraError, match=r"device 'cuda:1' is not there: this TensorFlow \S+ sees 0 GPUs"):
            device_name("cuda:1")


def test_values_of_the_wrong_kind_for_the_graph(recommender):
    model = load(recommender)
    with pytest.raises(InvalidInputError, match="the model refuses these values: indices"):
        model.predict({"user": np.array([99], np.int32)})


def test_it_starts_quietly_with_the_threads_asked_for(recommender):
    code = (
        "import sys; from pathlib import Path; from modelport.core.runtime import LoadSpec;"
        "from modelport.runtimes.catalog import runtime_for;"
        f"model = runtime_for('tensorflow').load(Path({str(recommender)!r}), LoadSpec(threads=3));"
        "print(model.info.properties['threads'])"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    assert (done.stdout, done.stderr) == ("3, of the whole process\n", "")
