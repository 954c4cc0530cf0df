"""What hosting platforms say by their environment variables."""

from pathlib import Path

import pytest

from modelport.bootstrap.platforms import Platform, read_platform
from modelport.bootstrap.settings import read_settings
from modelport.core.errors import InvalidInputError, ModelportError


def test_no_platform():
    assert read_platform({"PATH": "/bin"}) == Platform()


def test_sagemaker(tmp_path):
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    assert read_platform(base).settings == {"host": "0.0.0.0", "port": 8080}
    (tmp_path / "model").mkdir()
    chosen = {
        "SAGEMAKER_BIND_TO_PORT": "9001",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
    }
    platform = read_platform({**base, **chosen})
    assert platform.name == "sagemaker"
    assert platform.settings == {
        "host": "0.0.0.0",
        "port": 9001,
        "paths": (tmp_path / "model",),
        "workers": 3,
        "body_bytes": 6 << 20,
    }
    many = read_platform({**base, "SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": "3"})
    assert many.multi_model
    assert many.settings["workers"] == 1
    assert "paths" not in many.settings


def test_vertex(tmp_path):
    environment = {
        "AIP_HTTP_PORT": "8081",
        "AIP_STORAGE_URI": str(tmp_path),
        "AIP_HEALTH_ROUTE": "/up",
        "AIP_PREDICT_ROUTE": "/p",
        "AIP_DEPLOYED_MODEL_ID": "7",
    }
    platform = read_platform(environment)
    assert platform.settings == {"host": "0.0.0.0", "port": 8081, "paths": (tmp_path,)}
    assert (platform.health_route, platform.predict_route, platform.deployed_model) == ("/up", "/p", "7")


def test_azure(tmp_path):
    (tmp_path / "a.onnx").touch()
    environment = {"AZUREML_MODEL_DIR": str(tmp_path), "SERVICE_NAME": "fraud", "AML_CORS_ORIGINS": "*"}
    platform = read_platform(environment)
    assert platform.settings == {"host": "0.0.0.0", "port": 5001, "paths": (tmp_path,)}
    assert (platform.service, platform.origins) == ("fraud", ("*",))
    (tmp_path / "a.onnx").unlink()
    (tmp_path / "registered").mkdir()
    assert read_platform(environment).settings["paths"] == (tmp_path / "registered",)


@pytest.mark.parametrize(
    ("environment", "error", "words"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "http"}, InvalidInputError, "SAGEMAKER_BIND_TO_PORT='http' is not a whole number"),
        ({"SAGEMAKER_BIND_TO_PORT": "70000"}, InvalidInputError, "is not a port"),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "9000"}, InvalidInputError, "is not two ports"),
        ({"AIP_HTTP_PORT": ""}, InvalidInputError, "AIP_HTTP_PORT"),
        ({"AIP_PREDICT_ROUTE": "predict"}, InvalidInputError, "should begin with '/'"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named(environment, error, words):
    with pytest.raises(ModelportError, match=words) as raised:
        read_platform(environment)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AIP_STORAGE_URI": "gs://b/m"}, "AIP_STORAGE_URI='gs://b/m' can't be fetched"),
        ({"AIP_STORAGE_URI": "/nothing/here"}, "AIP_STORAGE_URI='/nothing/here' does not exist"),
        ({"AZUREML_MODEL_DIR": "/nothing/here"}, "AZUREML_MODEL_DIR='/nothing/here' does not exist"),
        ({"SAGEMAKER_BASE_DIR": "/nothing/here"}, "no model in /nothing/here/model"),
    ],
)
def test_a_model_that_is_not_there_is_a_problem_only_where_no_other_is_named(environment, words):
    platform = read_platform(environment)
    assert words in platform.problem
    assert "paths" not in platform.settings
    assert read_settings({**environment, "MODELPORT_PATHS": "/models"}).source.paths == (Path("/models"),)


@pytest.mark.parametrize(
    "name", ["AIP_MODEL_DIR", "SAGEMAKER_INTERNAL_IMAGE_URI", "SAGEMAKER_REGION", "AZUREML_RUN_ID"]
)
def test_notebooks_and_training_jobs_are_not_the_serving_platform(name):
    assert read_platform({name: "x"}) == Platform()


def test_own_settings_come_before_the_platforms(tmp_path):
    environment = {"AIP_HTTP_PORT": "8081", "AIP_STORAGE_URI": str(tmp_path)}
    assert read_settings(environment).server.port == 8081
    assert read_settings(environment).source.paths == (tmp_path,)
    assert read_settings({**environment, "MODELPORT_PORT": "9000"}).server.port == 9000
    settings = read_settings({**environment, "MODELPORT_PORT": "9000"}, port=7000, paths=(Path("x"),))
    assert (settings.server.port, settings.source.paths) == (7000, (Path("x"),))
