"""A container as Vertex AI runs it: its variables, its routes."""

import httpx
import pytest

from runtimes import onnx_graphs

MODEL, ROWS = onnx_graphs.classifier("text", zipmap=False)


@pytest.fixture
def container(run_server, tmp_path):
    (tmp_path / "iris.onnx").write_bytes(MODEL)

    def start(**variables):
        environment = {"AIP_STORAGE_URI": str(tmp_path), "AIP_MODE": "PREDICTION", **variables}
        return run_server("--host", "127.0.0.1", env=environment)

    return start


@pytest.mark.parametrize(
    ("health", "predict"), [("/ping", "/predict"), ("/is/up", "/v1/models/iris:predict"), ("/", "/")]
)
def test_the_routes_of_the_variables(container, health, predict):
    server = container(AIP_HEALTH_ROUTE=health, AIP_PREDICT_ROUTE=predict, AIP_DEPLOYED_MODEL_ID="7").wait_ready()
    assert httpx.get(server.url + health).json() == {"status": "ready"}
    answer = httpx.post(server.url + predict, json={"instances": ROWS.tolist()}).json()
    assert [row["label"] for row in answer["predictions"]] == ["setosa", "versicolor", "virginica"]
    assert answer["deployedModelId"] == "7"


def test_the_default_routes(server, container):
    route = "/v1/endpoints/12/deployedModels/34"
    own = container().wait_ready()
    assert httpx.get(own.url + route).status_code == 200
    answer = httpx.post(f"{own.url}{route}:predict", json={"instances": ROWS.tolist(), "parameters": {}}).json()
    assert list(answer) == ["predictions"]
    path = "/v1/projects/p/locations/europe-west1/endpoints/iris:predict"
    assert len(httpx.post(server.url + path, json={"instances": ROWS.tolist()}).json()["predictions"]) == 3


def test_failures_are_googles(server):
    path = "/v1/projects/p/locations/l/endpoints/{}:predict"
    missing = httpx.post(server.url + path.format("nobody"), json={"instances": [[1]]})
    assert missing.json()["error"]["status"] == "NOT_FOUND"
    wrong = httpx.post(server.url + path.format("iris"), json={"x": 1})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, 400)


def test_a_model_in_cloud_storage_is_refused_in_words(container):
    server = container(AIP_STORAGE_URI="gs://bucket/model")
    assert server.wait_ended() != 0
    assert "AIP_STORAGE_URI='gs://bucket/model' can't be fetched" in server.output
