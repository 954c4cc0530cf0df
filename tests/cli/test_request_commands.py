"""modelport requests and modelport replay, on a log that a real server wrote and versions of a real registry."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

skl2onnx = pytest.importorskip("skl2onnx")

from modelport.cli.main import main  # noqa: E402
from modelport.engine.requests import LoggedRequests  # noqa: E402
from running import Running  # noqa: E402

COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
TOML = """
[inputs.X]
kind = "tabular"
columns = [{ name = "sepal_length" }, { name = "sepal_width" }, { name = "petal_length" }, { name = "petal_width" }]
"""


def trained(path, strength):
    """A classifier of irises."""
    rows, classes = load_iris(return_X_y=True)
    model = LogisticRegression(C=strength, max_iter=5000).fit(rows, classes)
    kind = [("X", skl2onnx.common.data_types.FloatTensorType([None, 4]))]
    made = skl2onnx.to_onnx(model, initial_types=kind, options={"zipmap": False}, target_opset=18)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A registry with two versions of `iris`, and the log of a server that served the first."""
    folder = tmp_path_factory.mktemp("replay")
    home = folder / "home"
    for number, strength in ((1, 1.0), (2, 0.001)):
        path = trained(folder / "iris.onnx", strength)
        said = CliRunner().invoke(main, ["push", str(path), "--home", str(home)])
        assert said.exit_code == 0, said.output
        assert f"iris@{number}" in said.output
    trained(folder / "iris.onnx", 1.0)
    env = {"MODELPORT_LOG_REQUESTS": "iris", "MODELPORT_HOME": str(home)}
    server = Running(folder / "iris.onnx", env=env).wait_ready()
    rows = load_iris().data[::10].tolist()
    answers = [httpx.post(server.url + "/models/iris/predict", json={"instances": [row]}) for row in rows]
    failed = httpx.post(server.url + "/models/iris/predict", json={"instances": [[1]]})
    ids = [answer.headers["x-request-id"] for answer in (*answers, failed)]
    LoggedRequests(home / "requests").find(ids[-1], patience=10)
    yield folder, home, ids, server
    assert server.stop() == 0


@pytest.fixture
def modelport(place, monkeypatch):
    monkeypatch.setenv("MODELPORT_HOME", str(place[1]))
    monkeypatch.delenv("MODELPORT_REQUEST_LOG", raising=False)

    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_requests_are_listed_newest_first(modelport, place):
    _, _, ids, server = place
    listed = json.loads(modelport("requests", "iris", "--json", "--limit", 100))["requests"]
    assert [item["id"] for item in listed] == ids[::-1]
    lines = modelport("requests", "iris").splitlines()
    assert lines[0].split() == ["when", "(UTC)", "request", "model", "dialect", "ms", "outcome"]
    assert "invalid_input" in lines[1]
    assert ids[-2] in lines[2]
    by_server = json.loads(modelport("requests", "iris", "--server", server.url, "--json", "--limit", 100))["requests"]
    assert by_server == listed


def test_a_list_may_be_narrowed(modelport, place):
    ids = place[2]
    assert ids[-1] in modelport("requests", "--errors")
    assert ids[0] not in modelport("requests", "--errors")
    assert "no such request" in modelport("requests", "--version", 9)
    assert "no such request" in modelport("requests", "nobody")
    assert ids[0] in modelport("requests", "--since", "1h")
    assert "no such request" in modelport("requests", "--before", "1h")
    assert len(modelport("requests", "--limit", 2).splitlines()) == 3
    assert "is no time" in modelport("requests", "--since", "soon", code=1)


def test_one_request_is_shown_with_what_was_asked_and_answered(modelport, place):
    _, home, ids, server = place
    said = modelport("requests", "show", ids[0])
    assert ids[0] in said
    assert "X FP32 [1, 4]  5.1, 3.5, 1.4, 0.2" in said
    assert "probabilities FP32 [1, 3]" in said
    assert said == modelport("requests", "show", ids[0], "--server", server.url)
    assert said == modelport("requests", "show", ids[0], "--log", home / "requests")
    assert "invalid_input: " in modelport("requests", "show", ids[-1])
    assert "is no request id" in modelport("requests", "show", "x", code=1)
    assert "not in the log" in modelport("requests", "show", "0-1-0000000000000", code=1)
    assert "leave out" in modelport("requests", "--server", server.url, "--log", "x", code=1)


def test_the_same_version_gives_the_same_answer_bit_for_bit(modelport, place):
    for made in place[2][:-1]:
        found = json.loads(modelport("replay", made, "--json"))
        assert (found["outcome"], found["against"]) == ("equal", "iris@1")
        assert all(item["absolute"] == 0 and item["state"] == "equal" for item in found["outputs"])
    assert "the same answer" in modelport("replay", place[2][0], "--against", "iris@1")


def test_another_version_shows_what_differs(modelport, place):
    ids = place[2]
    found = json.loads(modelport("replay", ids[0], "--against", "iris@2", "--json", code=1))
    scores = next(item for item in found["outputs"] if item["name"] == "probabilities")
    assert (found["outcome"], scores["state"], scores["elements"]) == ("different", "different", 3)
    assert 0.1 < scores["absolute"] < 1
    assert found["ms_now"] > 0
    assert found["ms_before"] > 0
    said = modelport("replay", ids[0], "--against", "@2", code=1)
    assert "iris@1 → iris@2: another answer" in said
    assert "probabilities, first difference: " in said
    assert "within" in modelport("replay", ids[0], "--against", 2, "--absolute", 1)


def test_many_requests_give_a_summary(modelport, place):
    ids = place[2]
    found = json.loads(modelport("replay", "--model", "iris", "--last", 100, "--against", "iris@2", "--json", code=1))
    assert (found["requests"], found["outcomes"]) == (len(ids) - 1, {"different": len(ids) - 1})
    assert list(found["left_out"]) == ids[-1:]
    labels = next(item for item in found["outputs"] if item["name"] == "label")
    assert labels["labels"] == labels["differing"] > 0
    said = modelport("replay", "--model", "iris", "--last", 100, "--against", "iris@2", code=1)
    assert f"{len(ids) - 1} requests, asked again of iris@2" in said
    assert "not asked again: 1 " in said
    same = modelport("replay", "--model", "iris", "--last", 100)
    assert "requests that differ" in same
    assert "another answer" not in same


def test_against_a_url_a_file_and_on_the_server_itself(modelport, place):
    folder, _, ids, server = place
    for against in (f"{server.url}/models/iris", f"{server.url}/models/iris/versions/1", folder / "iris.onnx"):
        found = json.loads(modelport("replay", ids[0], "--against", against, "--json"))
        assert found["outcome"] == "equal"
    found = json.loads(modelport("replay", ids[0], "--server", server.url, "--json"))
    assert (found["outcome"], found["against"]) == ("equal", "iris@1")
    assert "no version 2" in modelport("replay", ids[0], "--against", 2, "--server", server.url, code=1)


def test_what_can_not_be_replayed_says_why(modelport, place):
    ids = place[2]
    assert "could not be read" in modelport("replay", ids[-1], code=1)
    assert "no version 7" in modelport("replay", ids[0], "--against", "iris@7", code=1)
    assert "--against is a version" in modelport("replay", ids[0], "--against", "nonsense", code=1)
    assert "logged are: iris" in modelport("replay", "--last", 3, code=1)
    assert "no request to 'nobody'" in modelport("replay", "--last", 3, "--model", "nobody", code=1)
    assert "name a request" in modelport("replay", code=2)


def test_hidden_columns_are_not_stored_and_not_replayed(modelport, place, run_server, tmp_path):
    (tmp_path / "iris.onnx").write_bytes((place[0] / "iris.onnx").read_bytes())
    (tmp_path / "modelport.toml").write_text(TOML + '[logging]\nrequests = true\nhide = ["petal_width"]\n')
    server = run_server(tmp_path / "iris.onnx", env={"MODELPORT_REQUEST_LOG": str(tmp_path / "log")}).wait_ready()
    record = dict(zip(COLUMNS, (5.1, 3.5, 1.4, 0.77777), strict=True))
    answer = httpx.post(server.url + "/models/iris/predict", json={"instances": [record]})
    made = answer.headers["x-request-id"]
    LoggedRequests(tmp_path / "log").find(made, patience=10)
    said = modelport("requests", "show", made, "--log", tmp_path / "log")
    assert "X FP32 [1, 3] (without columns [3])  5.1, 3.5, 1.4" in said
    assert "petal_width was not stored" in modelport("replay", made, "--log", tmp_path / "log", code=1)
    [segment] = (tmp_path / "log" / "iris").glob("*.log")
    assert np.float32(0.77777).tobytes() not in segment.read_bytes()


def test_a_misspelt_column_fails_the_load_and_is_not_logged(place, run_server, tmp_path):
    (tmp_path / "iris.onnx").write_bytes((place[0] / "iris.onnx").read_bytes())
    (tmp_path / "modelport.toml").write_text(TOML + '[logging]\nrequests = true\nhide = ["petal_wdth"]\n')
    server = run_server(tmp_path / "iris.onnx")
    assert server.wait_ended() == 1
    assert "no input, column or output 'petal_wdth'" in server.output
    assert "petal_width" in server.output
