"""MLflow's own scoring client and its documentation's requests against a real server."""

import httpx
import pytest

from runtimes import onnx_graphs

MODEL, ROWS = onnx_graphs.classifier("text", zipmap=False)
LABELS = ["setosa", "versicolor", "virginica"]
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    from running import Running

    path = tmp_path_factory.mktemp("mlflow") / "iris.onnx"
    path.write_bytes(MODEL)
    running = Running(path).wait_ready()
    yield running
    assert running.stop() == 0


def labels(answer):
    return [row["label"] for row in answer["predictions"]]


def test_mlflows_own_client(iris):
    scoring = pytest.importorskip("mlflow.pyfunc.scoring_server.client")
    pandas = pytest.importorskip("pandas")
    client = scoring.ScoringServerClient("127.0.0.1", iris.port)
    client.ping()
    assert client.get_version()
    client.wait_server_ready(timeout=10)
    for data in (pandas.DataFrame(ROWS, columns=NAMES), pandas.DataFrame(ROWS), ROWS, ROWS.tolist()):
        answer = client.invoke(data)
        assert labels(answer) == LABELS
        assert answer.get_predictions()["label"].tolist() == LABELS
    chosen = client.invoke(ROWS, params={"outputs": ["label"]})
    assert chosen.get_predictions(predictions_format="ndarray").tolist() == LABELS


def test_csv_of_pandas(iris):
    pandas = pytest.importorskip("pandas")
    for frame in (pandas.DataFrame(ROWS, columns=NAMES), pandas.DataFrame(ROWS)):
        headers = {"content-type": "text/csv"}
        answer = httpx.post(iris.url + "/invocations", content=frame.to_csv(index=False), headers=headers)
        assert labels(answer.json()) == LABELS


def test_health(iris):
    assert httpx.get(iris.url + "/ping").status_code == 200
    health = httpx.get(iris.url + "/health")
    assert (health.status_code, health.text, health.headers["content-type"]) == (200, "\n", "application/json")


def test_failures(iris):
    answer = httpx.post(iris.url + "/invocations", json={"inputs": [[1]], "instances": [[1]]})
    assert answer.status_code == 400
    assert answer.json() == {"error_code": "BAD_REQUEST", "message": answer.json()["message"]}
    wrong = httpx.post(iris.url + "/invocations", content=b"<a/>", headers={"content-type": "application/xml"})
    assert wrong.status_code == 415


def test_one_model_of_several_as_databricks_has_it(server):
    answer = httpx.post(server.url + "/serving-endpoints/iris/invocations", json={"inputs": ROWS.tolist()})
    assert labels(answer.json()) == LABELS
    several = httpx.post(server.url + "/invocations", json={"inputs": ROWS.tolist()})
    assert several.status_code == 404
    assert several.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_server_that_is_not_ready_says_so(run_server, tmp_path):
    (tmp_path / "iris.onnx").write_bytes(MODEL)
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    server = run_server(tmp_path).wait_ready()
    assert httpx.get(server.url + "/health").status_code == 503
    ping = httpx.get(server.url + "/ping")
    assert (ping.status_code, ping.json()) == (503, {"status": "Unhealthy"})
