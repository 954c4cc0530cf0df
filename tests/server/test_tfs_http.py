"""TensorFlow Serving's REST paths (and KServe's v1, which are the same) through the app."""

import base64
import json

import numpy as np
import pytest
from tfs_rig import TfsServer

from runtimes import onnx_graphs

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@pytest.fixture(scope="module")
def server(model_folder):
    running = TfsServer(model_folder)
    yield running
    running.stop()


@pytest.fixture
def predict(server):
    def ask(model, body, status=200, method="predict"):
        answer = server.ask("POST", f"/v1/models/{model}:{method}", body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.content)

    return ask


def test_rows_of_several_outputs_are_objects(predict, model_folder):
    answer = predict("iris", {"instances": ROWS})
    direct = onnx_graphs.direct(model_folder / "iris.onnx", {"X": np.array(ROWS, np.float32)})
    assert [row["label"] for row in answer["predictions"]] == ["setosa", "virginica"]
    scores = np.array([row["probabilities"] for row in answer["predictions"]], np.float32)
    assert np.array_equal(scores, direct["probabilities"])
    assert answer.keys() == {"predictions"}
    assert predict("iris", {"instances": [{"X": row} for row in ROWS], "signature_name": "serving_default"}) == answer


def test_rows_of_one_output_are_values(predict):
    (first, second) = predict("diabetes", {"instances": onnx_graphs.regressor()[1][:2].tolist()})["predictions"]
    assert len(first) == len(second) == 1
    assert predict("identity_FP32", {"instances": [[1, 2], [3, 0.1]]}) == {"predictions": [[1.0, 2.0], [3.0, 0.1]]}


def test_columns_come_back_as_columns(predict):
    answer = predict("iris", {"inputs": {"X": ROWS}})
    assert answer["outputs"].keys() == {"label", "probabilities"}
    assert answer["outputs"]["label"] == ["setosa", "virginica"]
    assert predict("iris", {"inputs": ROWS}) == answer
    assert predict("identity_INT64", {"inputs": [[1, 2]]}) == {"outputs": [[1, 2]]}


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("FP64", [[0.1, -2.5e300]]),
        ("FP16", [[0.5, -2.0]]),
        ("BF16", [[0.5, -2.0]]),
        ("INT8", [[-128, 127]]),
        ("UINT64", [[0, 2**64 - 1]]),
        ("INT64", [[-(2**63), 2**63 - 1]]),
        ("BOOL", [[True, False]]),
        ("BYTES", [["text", "ünïcødé ✓"]]),
    ],
)
def test_every_datatype_there_and_back(predict, datatype, values):
    assert predict(f"identity_{datatype}", {"instances": values}) == {"predictions": values}
    assert predict(f"identity_{datatype}", {"inputs": {"x": values}}) == {"outputs": values}


def test_numbers_that_json_has_no_words_for(server):
    body = b'{"instances": [[NaN, Infinity, -Infinity, 0.1]]}'
    answer = server.ask("POST", "/v1/models/identity_FP32:predict", body)
    assert answer.status_code == 200
    assert b"NaN, Infinity, -Infinity" in answer.content


def test_base64(predict):
    encoded = {"b64": base64.b64encode(b"good fine").decode()}
    assert predict("text", {"instances": [encoded]}) == predict("text", {"instances": ["good fine"]})
    assert predict("identity_BYTES", {"instances": [[encoded]]}) == {"predictions": [["good fine"]]}


def test_outputs_named_bytes_are_base64(tmp_path):
    tensor, string = onnx_graphs.tensor, onnx_graphs.T.STRING
    made = onnx_graphs.model(
        [onnx_graphs.node("Identity", ["x"], ["out_bytes"])],
        [tensor("x", string, ["n"])],
        [tensor("out_bytes", string, ["n"])],
    )
    (tmp_path / "echo.onnx").write_bytes(made.SerializeToString())
    running = TfsServer(tmp_path)
    try:
        answer = running.ask("POST", "/v1/models/echo:predict", {"instances": ["hi"]}).json()
    finally:
        running.stop()
    assert answer == {"predictions": [{"b64": "aGk="}]}


def test_classify_and_regress(predict):
    answer = predict("iris", {"examples": [{"X": row} for row in ROWS]}, method="classify")
    assert [[label for label, _ in row] for row in answer["results"]] == [["setosa", "versicolor", "virginica"]] * 2
    assert answer["results"][0][0][1] > 0.9
    body = {"context": {"X": ROWS[0]}, "examples": [{}], "signature_name": "classification"}
    (alone,) = predict("iris", body, method="classify")["results"]
    assert [score for _, score in alone] == pytest.approx([score for _, score in answer["results"][0]], rel=1e-5)
    rows = onnx_graphs.regressor()[1].tolist()
    values = predict("diabetes", {"examples": [{"X": row} for row in rows]}, method="regress")["results"]
    assert values == pytest.approx([row[0] for row in predict("diabetes", {"instances": rows})["predictions"]])


def test_versions_and_labels_in_the_path(server):
    body = {"instances": ROWS}
    plain = server.ask("POST", "/v1/models/iris:predict", body).json()
    assert server.ask("POST", "/v1/models/iris/versions/1:predict", body).json() == plain
    answer = server.ask("POST", "/v1/models/iris/versions/9:predict", body)
    assert answer.status_code == 404
    assert "Servable not found for request" in answer.json()["error"]
    answer = server.ask("POST", "/v1/models/iris/labels/stable:predict", body)
    assert (answer.status_code, answer.json()) == (400, {"error": "Unrecognized servable version label: stable"})


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "document is empty"),
        (b"[1]", "Is not object"),
        (b"{", "not valid JSON"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        ({"instances": ROWS, "inputs": ROWS}, "only one of"),
        ({"instances": {"X": ROWS}}, "'instances'"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": ROWS, "signature_name": 7}, "'signature_name' key must be a string"),
        ({"instances": ROWS, "signature_name": "train"}, '"train" not found'),
        ({"instances": [[1, 2, 3]]}, "4 values"),
        ({"instances": [["a", 2, 3, 4]]}, "takes numbers"),
        ({"instances": [{"x": ROWS[0]}]}, "'x'"),
        ({"inputs": {"X": ROWS, "Y": ROWS}}, "'Y'"),
    ],
)
def test_refusals_are_errors_with_a_text(predict, body, part):
    answer = predict("iris", body, 400)
    assert answer.keys() == {"error"}
    assert part in answer["error"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "'examples' is expected"),
        ({"examples": []}, "'examples' is expected"),
        ({"examples": [1]}, "must be JSON object"),
        ({"examples": [{"X": [[1]]}]}, "unexpected JSON type"),
        ({"examples": [{"X": None}]}, "unexpected JSON type"),
        ({"examples": [{"X": {"b64": "!"}}]}, "not valid base64"),
        ({"examples": [{"X": ROWS[0]}], "signature_name": "regression"}, "method_name"),
        ({"examples": [{"X": ROWS[0], "Z": 1}]}, "'Z'"),
    ],
)
def test_refused_examples(predict, body, part):
    assert part in predict("iris", body, 400, "classify")["error"]


def test_status(server):
    answer = server.ask("GET", "/v1/models/iris")
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert answer.json() == {"name": "iris", "ready": True, "model_version_status": [state]}
    assert server.ask("GET", "/v1/models/iris/versions/1").json()["model_version_status"] == [state]
    for path in ("/v1/models/nobody", "/v1/models/iris/versions/4"):
        answer = server.ask("GET", path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("Could not find")
    assert server.ask("GET", "/v1/models/iris/versions/x").status_code == 400
    assert server.ask("GET", "/v1/models/iris/labels/stable").status_code == 400


def test_metadata(server):
    answer = server.ask("GET", "/v1/models/iris/metadata").json()
    assert answer["model_spec"] == {"name": "iris", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["X"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}], "unknown_rank": False},
        "name": "X:0",
    }
    assert signatures["classification"]["method_name"] == "tensorflow/serving/classify"
    assert server.ask("GET", "/v1/models/iris/versions/1/metadata").json() == answer
    assert server.ask("GET", "/v1/models/nobody/metadata").status_code == 404


def test_the_list_of_models(server):
    assert {"iris", "diabetes", "text"} <= set(server.ask("GET", "/v1/models").json()["models"])


def test_a_model_that_failed_to_load(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x07 this is no model")
    running = TfsServer(tmp_path)
    try:
        state = running.ask("GET", "/v1/models/broken").json()
        refused = running.ask("POST", "/v1/models/broken:predict", {"instances": [1]})
    finally:
        running.stop()
    assert state["ready"] is False
    assert state["model_version_status"][0]["state"] == "END"
    assert state["model_version_status"][0]["status"]["error_message"]
    assert refused.status_code == 503
