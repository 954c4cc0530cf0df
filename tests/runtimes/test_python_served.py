"""Python models and pickles on a real server: trusted or not, crashing, streaming."""

import pickle
import signal
from pathlib import Path

import httpx
import pytest
from python_models import COUNT, DOUBLE, TROUBLE, write
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression


@pytest.fixture
def folder(tmp_path):
    """`double` and `count` in folders of their own, `trouble` in a version tree, and a pickle."""
    for name, source in {"double": DOUBLE, "count": COUNT, "trouble/1": TROUBLE}.items():
        (tmp_path / name).mkdir(parents=True)
        write(tmp_path / name, source)
    (tmp_path / "helper.py").write_text("class NoModel:\n    def predict(self): pass\n")
    rows, targets = load_diabetes(return_X_y=True)
    (tmp_path / "progression.pkl").write_bytes(pickle.dumps(LinearRegression().fit(rows, targets)))
    return tmp_path


def infer(url, model, name, datatype, shape, data):
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return httpx.post(f"{url}/v2/models/{model}/infer", json={"inputs": [tensor]}, timeout=20)


def test_trusted_models_are_served_like_any_other(folder, run_server):
    url = run_server(folder, env={"MODELPORT_TRUST": "all"}).wait_ready().url
    models = {item["name"] for item in httpx.post(f"{url}/v2/repository/index").json()}
    assert models == {"double", "count", "trouble", "progression"}
    given = infer(url, "double", "x", "FP32", [1, 3], [1, 2, 3]).json()
    assert given["outputs"][0]["data"] == [2, 4, 6]
    assert infer(url, "count", "n", "INT64", [1], [3]).json()["outputs"][0]["data"] == [2]
    rows, _ = load_diabetes(return_X_y=True)
    wanted = pickle.loads((folder / "progression.pkl").read_bytes()).predict(rows[:2])
    answer = httpx.post(f"{url}/models/progression/predict", json=rows[:2].tolist(), timeout=20)
    assert [item["y"] for item in answer.json()["predictions"]] == pytest.approx(wanted.tolist())


def test_a_crash_of_one_model_harms_no_other_and_it_comes_back(folder, run_server):
    url = run_server(folder, env={"MODELPORT_TRUST": "double,trouble"}).wait_ready().url
    failed = infer(url, "trouble", "x", "FP64", [1], [1])
    assert failed.status_code == 500
    assert "ended with exit status 3" in failed.text
    assert infer(url, "double", "x", "FP32", [1, 3], [1, 2, 3]).status_code == 200
    assert infer(url, "trouble", "x", "FP64", [1], [0]).json()["outputs"][0]["data"] == [0]


def test_what_nobody_trusts_is_not_loaded(folder, run_server):
    server = run_server(folder, env={"MODELPORT_TRUST": "double"})
    server.wait_said(r"It asks for only known data types")
    server.wait_said(r"--trust trouble")
    assert server.url == "" or infer(server.url, "progression", "x", "FP64", [1], [1]).status_code >= 400


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_server(folder, run_server, how):
    server = run_server(folder / "double", env={"MODELPORT_TRUST": "all"}).wait_ready()
    pids = workers_of(server)
    assert pids
    server.stop(how)
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        for _ in range(200):
            if not stat.exists() or stat.read_text().split()[2] == "Z":
                break
            signal.sigtimedwait([], 0.05)
        else:
            pytest.fail(f"{pid} still runs")


def workers_of(server):
    """The processes of models, of this server and of its workers."""
    parents, found = {server.process.pid, *server.children()}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "stat").read_text().split(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"isolation.worker" in command and int(status[3]) in parents:
            found.append(int(folder.name))
    return found
