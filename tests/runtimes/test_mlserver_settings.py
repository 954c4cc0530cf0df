"""MLServer's model-settings.json."""

import json

import httpx
import pytest
from onnx_graphs import identity, model, node, tensor

from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.engine.lifecycle.source import scan
from modelport.runtimes.repositories.describing import describe

ONNX = {"name": "same", "implementation": "mlserver_onnx.OnnxModel"}


def write(folder, file="model.joblib", **settings):
    folder.mkdir(exist_ok=True)
    (folder / "model-settings.json").write_text(json.dumps(settings))
    if file:
        (folder / file).write_text("")
    return folder


def test_settings_become_tables(tmp_path):
    folder = write(
        tmp_path,
        name="iris",
        implementation="mlserver_sklearn.SKLearnModel",
        parameters={"uri": "./model.joblib", "version": "v2.0.0"},
        inputs=[{"name": "X", "datatype": "FP32", "shape": [-1, 4]}, {"name": "p", "datatype": "PD", "shape": [-1]}],
        max_batch_size=16,
        max_batch_time=0.005,
        cache_enabled=True,
        parallel_workers=0,
        environment_tarball="env.tar.gz",
    )
    found = describe(folder)
    assert (found.name, found.versions) == ("iris", {2: folder / "model.joblib"})
    assert found.tables == {
        "inputs": {"X": {"datatype": "FP32", "shape": [-1, 4]}},
        "serving": {"versions": "all", "max_batch": 16, "max_delay_ms": 5},
        "cache": {"enabled": True},
    }
    assert found.warnings == (
        "environment_tarball is not mapped",
        "the datatype 'PD' of 'p' is none of the protocol's",
    )


@pytest.mark.parametrize(
    ("package", "file"),
    [("mlserver_sklearn.SKLearnModel", "model.pkl"), ("mlserver_xgboost.XGBoostModel", "model.json"),
     ("mlserver_lightgbm.LightGBMModel", "model.bst"), ("mlserver_catboost.CatboostModel", "model.cbm")],
)  # fmt: skip
def test_files_that_are_looked_for_where_none_is_named(tmp_path, package, file):
    found = describe(write(tmp_path / "m", file, implementation=package))
    assert (found.name, found.versions) == ("m", {1: tmp_path / "m" / file})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"implementation": "models.MyModel"}, "'models.MyModel', which is code of its own: write its class"),
        (
            {"implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "s3://b/m"}},
            "s3://b/m, which is not on this machine",
        ),
    ],
)
def test_what_can_not_be_served_is_said(tmp_path, settings, says):
    assert says in describe(write(tmp_path, None, **settings)).problem


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": 3}, "'name' must be a text, not 3"),
        ({"parameters": []}, None),
        ({"parameters": "x"}, "'parameters' must be an object"),
        ({"implementation": "mlserver_sklearn.X", "parameters": {"uri": "/etc/shadow"}}, "outside of its folder"),
        ({"inputs": [{}]}, "'inputs' must be objects with a 'name'"),
        ({"max_batch_size": "many"}, "'max_batch_size' must be a number"),
    ],
)
def test_broken_settings(tmp_path, settings, says):
    folder = write(tmp_path, **settings)
    if says is None:
        assert describe(folder).problem
        return
    with pytest.raises(InvalidModelError) as caught:
        describe(folder)
    assert says in str(caught.value)


def test_what_is_no_json_is_refused(tmp_path):
    (tmp_path / "model-settings.json").write_text("{")
    with pytest.raises(InvalidModelError, match=r"model-settings\.json can't be read"):
        describe(tmp_path)
    (tmp_path / "model-settings.json").write_text("[]")
    with pytest.raises(InvalidModelError, match="must hold a JSON object"):
        describe(tmp_path)


def test_a_version_that_is_no_number_is_the_first(tmp_path):
    found = describe(write(tmp_path, implementation="mlserver_sklearn.X", parameters={"version": "beta"}))
    assert list(found.versions) == [1]
    assert found.warnings == ("the version 'beta' is no number: it is served as 1",)


def version(folder, number, made):
    """A folder of its own for one version of the model `same`."""
    write(folder, "", **ONNX, parameters={"version": f"v{number}"})
    (folder / "model.onnx").write_bytes(made.SerializeToString())


def test_folders_with_versions_of_one_model(tmp_path, run_server):
    negative = model([node("Neg", ["x"], ["y"])], [tensor("x", 1, ("n", 3))], [tensor("y", 1, ("n", 3))])
    version(tmp_path / "same-old", 3, identity())
    version(tmp_path / "same-new", 12, negative)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "model.onnx").write_bytes(identity().SerializeToString())
    server = run_server(tmp_path).wait_ready()
    for number, wanted in ((3, [1, 2, 3]), (12, [-1, -2, -3])):
        tensors = [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]
        url = f"{server.url}/v2/models/same/versions/{number}/infer"
        assert httpx.post(url, json={"inputs": tensors}).json()["outputs"][0]["data"] == wanted
    answer = httpx.post(f"{server.url}/v2/models/same/infer", json={"inputs": tensors}).json()
    assert answer["model_version"] == "12"


def test_two_folders_with_the_same_version(tmp_path):
    version(tmp_path / "a", 3, identity())
    version(tmp_path / "b", 3, identity())
    with pytest.raises(InvalidInputError, match=r"two folders hold version 3 of 'same': .*a/model.onnx and .*b/model"):
        scan((tmp_path,))
