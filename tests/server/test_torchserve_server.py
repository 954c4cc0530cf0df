"""TorchServe's clients against a real server: curl -T, forms, the management API beside the pages."""

import json
from subprocess import run

import httpx
import numpy as np
import pytest

from runtimes import onnx_graphs
from services import require

ROWS = onnx_graphs.classifier("text", zipmap=False)[1].tolist()
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


def failure(response, status, kind):
    document = response.json()
    assert response.status_code == document["code"] == status
    assert document["type"] == kind
    return document["message"]


def test_predictions(client):
    assert client.post("/predictions/iris", json=ROWS[0]).json()["label"] == "setosa"
    assert [row["label"] for row in client.post("/predictions/iris/1.0", json=ROWS).json()] == [
        "setosa",
        "versicolor",
        "virginica",
    ]
    assert client.post("/predictions/diabetes", json={"data": [0.0] * 10}).json() == pytest.approx(152.1, abs=1)


def test_files_by_put_and_by_form(client):
    text = b"good nice fine"
    assert client.put("/predictions/text", content=text).json()["label"] == "good"
    assert client.put("/predictions/text/1", content=text).json()["label"] == "good"
    assert client.post("/predictions/text", files={"data": ("a.txt", text)}).json()["label"] == "good"
    message = failure(client.put("/predictions/nobody", content=text), 404, "ModelNotFoundException")
    assert "no model 'nobody'" in message


def test_curl_as_the_documentation_has_it(server, tmp_path):
    curl = require("curl", "curl")
    file = tmp_path / "row.json"
    file.write_text(json.dumps(ROWS[0]))
    for arguments in (["-T", str(file)], ["-F", f"data=@{file}"], ["-d", json.dumps(ROWS[0])]):
        done = run(
            [curl, "-s", f"{server.url}/predictions/iris", *arguments], check=True, capture_output=True, timeout=20
        )
        assert json.loads(done.stdout)["label"] == "setosa"


def test_failures_of_predictions(client):
    failure(client.post("/predictions/iris", content=b"{"), 400, "BadRequestException")
    failure(client.post("/predictions/iris/9", json=ROWS), 404, "ModelNotFoundException")
    failure(client.post("/predictions/iris/x", json=ROWS), 400, "BadRequestException")
    failure(client.post("/explanations/iris", json=ROWS), 501, "NotImplementedException")


def test_models_are_listed_in_pages(client):
    everything = client.get("/models").json()
    assert "nextPageToken" not in everything
    assert {"modelName": "iris", "modelUrl": "iris.onnx"} in everything["models"]
    names, token = [], "0"
    while token:
        page = client.get("/models", params={"limit": 3, "next_page_token": token}).json()
        names += [model["modelName"] for model in page["models"]]
        token = page.get("nextPageToken")
    assert names == [model["modelName"] for model in everything["models"]]
    assert client.get("/models", params={"limit": "many", "next_page_token": "-1"}).json() == everything


@pytest.mark.parametrize("path", ["/models/iris", "/models/iris/1.0", "/models/iris/1", "/models/iris/all"])
def test_a_model_is_described(client, path):
    [description] = client.get(path).json()
    assert description["modelName"] == "iris"
    assert description["modelVersion"] == "1.0"
    assert description["modelUrl"] == "iris.onnx"
    assert [worker["status"] for worker in description["workers"]] == ["READY"]


def test_a_browser_gets_the_pages_at_the_same_paths(client):
    for path in ("/", "/models/iris"):
        assert client.get(path, headers=BROWSER).headers["content-type"].startswith("text/html")
        assert client.get(path).headers["content-type"] == "application/json"
    assert client.get("/models/nobody", headers=BROWSER).status_code == 404
    failure(client.get("/models/nobody"), 404, "ModelNotFoundException")
    failure(client.get("/models/iris/7.0"), 404, "ModelNotFoundException")
    failure(client.get("/models/iris/x"), 400, "BadRequestException")


def test_what_cannot_be_managed_says_why(client):
    for answer in (
        client.post("/models", params={"url": "x.mar"}),
        client.post("/models", json={"url": "x.mar"}),
        client.delete("/models/iris"),
    ):
        assert "not enabled" in failure(answer, 501, "NotImplementedException")
    assert "sizes itself" in failure(client.put("/models/iris?min_worker=3"), 501, "NotImplementedException")
    assert "sizes itself" in failure(client.put("/models/iris/1.0?min_worker=3"), 501, "NotImplementedException")
    assert "newest" in failure(client.put("/models/iris/1.0/set-default"), 501, "NotImplementedException")
    failure(client.put("/models/nobody"), 404, "ModelNotFoundException")
    failure(client.post("/models", content=b"[1]"), 400, "BadRequestException")


def test_the_api_describes_itself(client):
    assert "/predictions/{model}" in client.get("/api-description").json()["paths"]
    assert client.options("/").json()["info"]["title"] == "Modelport"


def test_health(client):
    assert client.get("/ping").json() == {"status": "Healthy"}


def test_inference_by_the_wrong_method_names_the_right_one(client):
    answer = client.get("/models/iris/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_values_are_the_models(client):
    made = client.post("/predictions/identity_FP32", json=[[0.1, 0.2]]).json()
    assert np.float32(made[0]).tolist() == np.float32([0.1, 0.2]).tolist()
