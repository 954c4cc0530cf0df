"""SageMaker's contract against a real server: AWS's own client, its serializers' bytes, the multi-model interface."""

import io
import json

import httpx
import numpy as np
import pytest

from runtimes import onnx_graphs

MODEL, ROWS = onnx_graphs.classifier("text", zipmap=False)
LABELS = ["setosa", "versicolor", "virginica"]
CSV = "\n".join(",".join(map(str, row)) for row in ROWS.tolist())


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture
def runtime(server, monkeypatch):
    boto3 = pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = boto3.client("sagemaker-runtime", region_name="eu-west-1", endpoint_url=server.url)
    yield client
    client.close()


def npy(array):
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (CSV, "text/csv"),
        (json.dumps(ROWS.tolist()), "application/json"),
        ("\n".join(json.dumps({"features": row}) for row in ROWS.tolist()), "application/jsonlines"),
        (npy(ROWS), "application/x-npy"),
    ],
)
def test_awss_own_client(runtime, body, kind):
    answer = runtime.invoke_endpoint(
        EndpointName="iris", Body=body, ContentType=kind, Accept="text/csv", CustomAttributes="trace=7"
    )
    lines = answer["Body"].read().decode().splitlines()
    assert [line.split(",")[0] for line in lines] == LABELS
    assert answer["ContentType"] == "text/csv; charset=utf-8"
    assert answer["CustomAttributes"] == "trace=7"


def test_awss_own_client_understands_errors(runtime):
    exceptions = pytest.importorskip("botocore.exceptions")
    with pytest.raises(exceptions.ClientError, match="no model 'nobody' is served") as raised:
        runtime.invoke_endpoint(EndpointName="nobody", Body=CSV, ContentType="text/csv")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_the_target_model(client):
    headers = {"X-Amzn-SageMaker-Target-Model": "v1/iris.tar.gz", "content-type": "text/csv"}
    answer = client.post("/invocations", content=CSV, headers=headers).json()
    assert [row["label"] for row in answer] == LABELS
    headers["X-Amzn-SageMaker-Target-Model"] = "nobody"
    assert client.post("/invocations", content=CSV, headers=headers).status_code == 404


def test_one_model_of_several_by_its_path(client):
    answer = client.post("/models/iris/invoke", content=CSV, headers={"content-type": "text/csv"})
    assert [row["label"] for row in answer.json()] == LABELS
    failed = client.post("/models/iris/invoke", content=b"1,2", headers={"content-type": "text/csv"})
    assert failed.json() == {"code": 400, "type": "BadRequestException", "message": failed.json()["message"]}


def test_npy_there_and_back(client):
    answer = client.post(
        "/models/identity_FP32/invoke",
        content=npy(ROWS),
        headers={"content-type": "application/x-npy", "accept": "application/x-npy"},
    )
    assert answer.headers["content-type"] == "application/x-npy"
    assert np.array_equal(np.load(io.BytesIO(answer.content)), ROWS)


def test_a_container_of_one_model(run_server, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "iris.onnx").write_bytes(MODEL)
    environment = {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "SAGEMAKER_SAFE_PORT_RANGE": "9000-9999",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
    }
    server = run_server("--host", "127.0.0.1", env=environment).wait_ready()
    ping = httpx.get(server.url + "/ping")
    assert (ping.status_code, ping.content) == (200, b"")
    answer = httpx.post(server.url + "/invocations", content=CSV, headers={"content-type": "text/csv"})
    assert [line.split(",")[0] for line in answer.text.splitlines()] == LABELS


def test_a_container_of_many_models(run_server, tmp_path):
    folder = tmp_path / "0a1b" / "model"
    folder.mkdir(parents=True)
    (folder / "any.onnx").write_bytes(MODEL)
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    environment = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_BASE_DIR": str(tmp_path)}
    server = run_server("--host", "127.0.0.1", env=environment).wait_ready()
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/ping").status_code == 200
        assert client.get("/models").json() == {"models": []}
        assert client.get("/models/iris").status_code == 404
        load = {"model_name": "iris", "url": str(folder)}
        assert client.post("/models", json=load).status_code == 200
        conflict = client.post("/models", json=load)
        assert (conflict.status_code, conflict.json()["type"]) == (409, "ConflictStatusException")
        assert client.get("/models/iris").json() == {"modelName": "iris", "modelUrl": "any.onnx"}
        assert client.get("/models").json() == {"models": [{"modelName": "iris", "modelUrl": "any.onnx"}]}
        headers = {"content-type": "text/csv", "X-Amzn-SageMaker-Target-Model": "iris.tar.gz"}
        answer = client.post("/models/iris/invoke", content=CSV, headers=headers).json()
        assert [row["label"] for row in answer] == LABELS
        for wrong, status in (
            ({"model_name": "x", "url": str(tmp_path / "nothing")}, 404),
            ({"model_name": "x", "url": str(tmp_path / "broken.onnx")}, 400),
            ({"model_name": "x/y", "url": str(folder)}, 400),
            ({"model_name": 5, "url": str(folder)}, 400),
            ({"url": "s3://bucket/model"}, 415),
        ):
            assert client.post("/models", json=wrong).status_code == status, wrong
        assert client.delete("/models/iris").json() == {"status": 'Model "iris" unregistered'}
        assert client.delete("/models/iris").status_code == 404
        assert client.post("/models/iris/invoke", content=CSV, headers=headers).status_code == 404
        assert client.post("/models", json=load).status_code == 200
