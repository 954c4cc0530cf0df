"""A deployment as Azure Machine Learning runs it: its variables, its probes, its swagger."""

import httpx
import pytest

from runtimes import onnx_graphs

MODEL, ROWS = onnx_graphs.classifier("text", zipmap=False)
LABELS = ["setosa", "versicolor", "virginica"]
BROWSER = {"accept": "text/html"}


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    from running import Running

    folder = tmp_path_factory.mktemp("azureml") / "model"
    folder.mkdir()
    (folder / "iris.onnx").write_bytes(MODEL)
    environment = {"AZUREML_MODEL_DIR": str(folder.parent), "AML_CORS_ORIGINS": "https://a.org, https://b.org"}
    running = Running("--host", "127.0.0.1", env=environment).wait_ready()
    yield running
    assert running.stop() == 0


def labels(rows):
    return [row["label"] for row in rows]


def test_scoring(azure):
    rows = ROWS.tolist()
    sent = {"x-ms-client-request-id": "c7"}
    answer = httpx.post(
        azure.url + "/score", json={"input_data": {"columns": list("abcd"), "data": rows}}, headers=sent
    )
    assert labels(answer.json()) == LABELS
    assert answer.headers["x-ms-client-request-id"] == answer.headers["x-ms-request-id"] == "c7"
    assert answer.headers["x-ms-run-function-failed"] == "False"
    automl = {"Inputs": {"data": rows}, "GlobalParameters": {"method": "predict"}}
    assert labels(httpx.post(azure.url + "/score", json=automl).json()["Results"]) == LABELS


def test_scoring_by_query(azure):
    answer = httpx.get(azure.url + "/score", params={"data": str(ROWS.tolist())})
    assert labels(answer.json()) == LABELS
    assert httpx.get(azure.url + "/score", params={"data": "x"}).status_code == 400


def test_one_service_of_several_as_kubernetes_has_it(server):
    answer = httpx.post(server.url + "/api/v1/service/iris/score", json={"data": ROWS.tolist()})
    assert labels(answer.json()) == LABELS


def test_failures(azure):
    answer = httpx.post(azure.url + "/score", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert list(answer.json()) == ["message"]
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert httpx.post(azure.url + "/score", content=b"x", headers={"content-type": "a/b"}).status_code == 415


def test_liveness(azure, server):
    assert httpx.get(azure.url + "/").text == "Healthy"
    assert httpx.get(azure.url + "/", headers=BROWSER).headers["content-type"].startswith("text/html")
    assert httpx.get(server.url + "/").json() == {"status": "alive"}
    assert httpx.get(server.url + "/", headers={"accept": "text/plain"}).text == "Healthy"
    assert httpx.get(server.url + "/", headers={"x-ms-request-id": "1"}).text == "Healthy"


@pytest.mark.parametrize(("version", "key", "value"), [("2", "swagger", "2.0"), ("3", "openapi", "3.0.3")])
def test_swagger(azure, version, key, value):
    document = httpx.get(azure.url + "/swagger.json", params={"version": version}).json()
    assert document[key] == value
    assert set(document["paths"]) == {"/", "/score", "/swagger.json"}
    schemas = document.get("definitions") or document["components"]["schemas"]
    example = schemas["ServiceInput"]["example"]
    assert httpx.post(azure.url + "/score", json=example).status_code == 200


def test_swagger_without_a_version_is_the_second(azure):
    assert httpx.get(azure.url + "/swagger.json").json()["swagger"] == "2.0"
    assert httpx.get(azure.url + "/swagger.json?version=3.1").json()["openapi"] == "3.1.0"
    refused = httpx.get(azure.url + "/swagger.json?version=4")
    assert refused.status_code == 404
    assert "Supported versions" in refused.json()["message"]


def test_swagger_of_several_models_promises_nothing(server):
    document = httpx.get(server.url + "/swagger.json").json()
    assert document["definitions"]["ServiceInput"] == {"type": "object", "example": {}}


def test_pages_of_other_origins(azure):
    sent = {"origin": "https://a.org", "access-control-request-headers": "content-type"}
    preflight = httpx.options(azure.url + "/score", headers=sent)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://a.org"
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    answer = httpx.post(azure.url + "/score", json=ROWS.tolist(), headers=sent)
    assert answer.headers["access-control-allow-origin"] == "https://a.org"
    stranger = httpx.options(azure.url + "/score", headers={"origin": "https://c.org"})
    assert "access-control-allow-origin" not in stranger.headers
