"""gate, promote, rollout, rollback, jobs and evaluate: on a registry of this machine, and over a server."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from modelport.cli.main import main
from modelport.cli.rollout_options import duration, percent, steps_of
from modelport.registry.releases import Observation
from release.cancer_models import open_sqlite, train


@pytest.fixture(scope="session")
def cancer(tmp_path_factory):
    return train(tmp_path_factory.mktemp("cancer"))


@pytest.fixture
def modelport(tmp_path, monkeypatch):
    """Runs a command; gives its output. `code` is the exit code that is right."""
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELPORT_USER", "ann")
    monkeypatch.delenv("MODELPORT_REGISTRY", raising=False)

    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result.output if code else result.stdout

    return run


@pytest.fixture(params=["home", "server"])
def on_registry(request, modelport, run_server, model_folder, cancer, tmp_path):
    """Runs a command on a registry that has a good model, fraud@1, and a bad one, fraud@2."""

    def with_models(run):
        for name in ("good", "bad"):
            run("push", cancer / f"{name}.onnx", "--name", "fraud")
        return run

    if request.param == "home":
        return with_models(modelport)
    server = run_server(model_folder / "iris.onnx", env={"MODELPORT_HOME": str(tmp_path / "home")}).wait_ready()
    return with_models(lambda *words, code=0: modelport(*words, "--server", server.url, code=code))


def test_from_gates_to_production_and_back(on_registry, cancer):
    assert on_registry("gate", "fraud").startswith("fraud has no gates; built in: signature compatible")
    said = on_registry(
        "gate", "fraud", "accuracy >= production - 0.005", "p99_ms  <= 10000", "--data", cancer / "test.csv"
    )
    assert said.splitlines()[:3] == [
        "accuracy >= production - 0.005",
        "p99_ms <= 10000",
        "signature compatible with production  (built in)",
    ]
    assert "on test.csv" in said
    said = on_registry("promote", "fraud@1", "--why", "the first")
    assert said.splitlines()[0] == (
        "gate passed   accuracy >= production - 0.005  (there is no version yet to compare with)"
    )
    assert said.splitlines()[-1] == "production  fraud@1"
    refused = on_registry("promote", "fraud@2", code=3)
    assert "gate REFUSED  accuracy >= production - 0.005  (accuracy 0.3" in refused
    assert "Error: fraud@2 is not promoted: 1 of 3 gates refused" in refused
    assert on_registry("alias", "fraud") == "production  fraud@1\n"
    said = on_registry("promote", "fraud@latest", "--force", "--why", "needed")
    assert said.splitlines()[-1] == "production  fraud@2 (was 1), forced"
    assert on_registry("promote", "fraud@2") == "production  fraud@2, as before\n"
    assert on_registry("rollback", "fraud") == "production  fraud@1 (was 2)\n"
    assert "named nothing before" in on_registry("rollback", "fraud", code=1)
    event = json.loads(on_registry("history", "fraud", "--json"))[1]
    assert (event["kind"], event["who"], event["why"], event["detail"]["forced"]) == ("promoted", "ann", "needed", True)


def test_gates_change(on_registry, cancer):
    assert "name it with --data FILE" in on_registry("gate", "fraud", "accuracy > 0.9", code=2)
    on_registry("gate", "fraud", "signature == any", "golden == ok")
    assert on_registry("gate", "fraud") == "signature == any\ngolden == ok\n"
    on_registry("gate", "fraud", "accuracy > 0.9", "--data", cancer / "test.csv", "--label", "label")
    gates = json.loads(on_registry("gate", "fraud", "--json"))
    assert (gates["rules"], gates["data_name"], gates["label"], gates["changed_by"]) == (
        ["signature == any", "golden == ok", "accuracy > 0.9"],
        "test.csv",
        "label",
        "ann",
    )
    on_registry("gate", "fraud", "golden == ok", "signature == any", "--remove")
    assert json.loads(on_registry("gate", "fraud", "--json"))["rules"] == ["accuracy > 0.9"]
    assert "there is no gate 'f1 > 0'; there is 'accuracy > 0.9'" in on_registry(
        "gate", "fraud", "f1 > 0", "--remove", code=2
    )
    on_registry("gate", "fraud", "--remove")
    assert on_registry("gate", "fraud", "--json") == "null\n"
    assert "did you mean 'accuracy'" in on_registry("gate", "fraud", "acuracy > 0.9", code=1)


def test_data_that_does_not_fit_is_told_at_once(modelport, cancer, tmp_path):
    modelport("push", cancer / "narrow.onnx", "--name", "fraud")
    said = modelport("gate", "fraud", "accuracy > 0.9", "--data", cancer / "test.csv", code=2)
    assert "test.csv does not fit fraud@1" in said
    (tmp_path / "data.txt").write_text("x")
    assert "is not a data set" in modelport("gate", "fraud", "--data", tmp_path / "data.txt", code=2)


def test_a_rollout_is_begun_paused_advanced_and_taken_back(on_registry, tmp_path):
    on_registry("promote", "fraud@1")
    rule = "error_rate > 1% or p99 > 2x"
    said = on_registry("promote", "fraud@2", "--canary", "5%", "--steps", "25,100", "--every", "1h", "--abort-if", rule)
    assert "rollout 1 (canary): 5 % of the traffic of production (fraud@1) goes to fraud@2" in said
    registry = open_sqlite(tmp_path / "home")
    plan = registry.rollout(1).plan
    assert (plan.steps, plan.every, plan.abort_if) == ((5.0, 25.0, 100.0), 3600.0, rule)
    registry.observe([_seen(1, 190, 0), _seen(2, 10, 2)])
    shown = on_registry("rollout", "fraud")
    assert "rollout 1 (canary) of fraud@2, begun by ann: running, 5 % of production to it (step 1 of 3)" in shown
    assert [line.split() for line in shown.splitlines()[2:5]] == [
        ["fraud@1", "fraud@2"],
        ["requests", "190", "10"],
        ["errors", "0", "(0", "%)", "2", "(20", "%)"],
    ]
    assert f"abort if {rule}: not known yet" in shown
    assert "paused, 5 %" in on_registry("rollout", "fraud", "--pause")
    assert "running, 25 %" in on_registry("rollout", "fraud", "--advance")
    on_registry("rollout", "fraud", "--advance")
    assert "at its last step: modelport promote fraud@2" in on_registry("rollout", "fraud", "--advance", code=1)
    assert "a rollout of fraud@2 is under way" in on_registry("promote", "fraud@2", "--shadow", code=1)
    assert on_registry("rollback", "fraud") == "production  fraud@1; the rollout is aborted\n"
    assert "aborted" in on_registry("rollout", "fraud", "--watch")
    assert "is over" in on_registry("rollout", "fraud", "--resume", code=1)
    assert json.loads(on_registry("rollout", "fraud", "--json"))["rollout"]["state"] == "aborted"
    registry.close()


def _seen(version, requests, errors):
    from modelport.engine.rollouts.latencies import WIDTH

    latency = [0] * WIDTH
    latency[20] = requests
    return Observation(1, "a server", version, requests, errors, tuple(latency))


def test_shadow_and_ab(modelport, cancer, tmp_path):
    for _ in range(2):
        modelport("push", cancer / "good.onnx", "--name", "fraud")
    modelport("promote", "fraud@1")
    assert "100 % of the traffic of production (fraud@1) is mirrored to fraud@2" in modelport(
        "promote", "fraud@2", "--shadow"
    )
    modelport("rollout", "fraud", "--abort")
    made = json.loads(modelport("promote", "fraud@2", "--ab", "50", "--key", "x-user", "--min-requests", 7, "--json"))
    assert made["rollout"]["plan"] | {"every": 0} == {
        "candidate": 2,
        "kind": "ab",
        "steps": [50.0],
        "every": 0,
        "abort_if": "",
        "key": "x-user",
        "alias": "production",
        "min_requests": 7,
    }


WRONG = {
    ("--canary", "5%", "--ab", "5%"): "are two rollouts",
    ("--every", "10m"): "--every is for a rollout",
    ("--canary", "lots"): "is no percentage",
    ("--steps", "5,25", "--every", "soon"): "is no length of time",
    ("--canary", "200%"): "100 at most",
    ("--canary", "5%", "--abort-if", "eror_rate > 1%"): "did you mean 'error_rate'?",
    ("--label", "y"): "--label says which column",
    ("--gate", "acuracy > 1"): "did you mean 'accuracy'?",
}


@pytest.mark.parametrize(("words", "said"), WRONG.items(), ids=["_".join(words) for words in WRONG])
def test_what_can_not_be_asked(words, said, modelport, cancer):
    modelport("push", cancer / "good.onnx", "--name", "fraud")
    result = CliRunner().invoke(main, ["promote", "fraud@1", *words])
    assert result.exit_code in (1, 2)
    assert said in result.output


def test_the_version_has_to_be_named(modelport):
    assert "fraud@latest" in modelport("promote", "fraud", code=2)
    assert "no model 'fraud'" in modelport("promote", "fraud@1", code=1)
    assert "no model 'fraud'" in modelport("rollback", "fraud", code=1)


def test_lengths_of_time_and_shares():
    assert [duration(text) for text in ("30s", "10m", "1h30m", "1.5h", "90")] == [30, 600, 5400, 5400, 90]
    assert [percent(text) for text in ("5%", "5", " 2.5 % ".strip())] == [5, 5, 2.5]
    assert steps_of("5%,25, 100") == (5, 25, 100)


def test_a_versions_evaluation_is_kept(on_registry, cancer, tmp_path):
    words = ("--data", cancer / "test.csv", "--resamples", 50, "--json", tmp_path / "out.json")
    said = on_registry("evaluate", "fraud@2", *words, "--compare", 1, "--gate", "accuracy >= production", code=3)
    assert "gate REFUSED  accuracy >= production  (accuracy 0.3" in said
    assert "1 of 1 gates refused" in said
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["measured"]["model"]["version"] == "2"
    registry = open_sqlite(tmp_path / "home")
    [kept] = registry.evaluations("fraud")
    assert (kept.version, kept.created_by, kept.dataset) == (2, "ann", "test.csv")
    assert kept.metrics["accuracy"] == pytest.approx(written["measured"]["metrics"]["accuracy"]["value"])
    registry.close()
    assert "versions of fraud are compared" in on_registry("evaluate", "fraud@2", *words, "--compare", "a@1", code=2)


def test_an_evaluation_of_a_file_needs_no_registry(modelport, cancer):
    words = (cancer / "good.onnx", "--data", cancer / "test.csv", "--resamples", 0)
    assert "accuracy" in modelport("evaluate", *words)
    assert "are for versions such as fraud@4" in modelport("evaluate", *words, "--home", "x", code=2)


def test_jobs_are_shown_and_cancelled(modelport, cancer, tmp_path):
    assert modelport("jobs") == "no jobs\n"
    modelport("push", cancer / "good.onnx", "--name", "fraud")
    registry = open_sqlite(tmp_path / "home")
    from modelport.registry.records import By

    registry.submit_job("promote", "fraud@1", {}, By("bob"))
    lines = modelport("jobs").splitlines()
    assert lines[1].split()[:4] == ["1", "promote", "fraud@1", "queued"]
    assert "bob" in modelport("jobs", 1)
    assert "cancelled" in modelport("jobs", 1, "--cancel")
    assert json.loads(modelport("jobs", "--json"))[0]["state"] == "cancelled"
    assert "say which job" in modelport("jobs", "--cancel", code=2)
    assert "no job 7" in modelport("jobs", 7, code=1)
    registry.close()


def test_who_asks_a_server_can_not_say_whose_code_it_runs(modelport, cancer, run_server, model_folder, tmp_path):
    modelport("push", cancer / "good.pkl", "--name", "fraud")
    home = {"MODELPORT_HOME": str(tmp_path / "home")}
    server = run_server(model_folder / "iris.onnx", env=home).wait_ready()
    said = modelport("promote", "fraud@1", "--trust", "fraud", "--server", server.url, code=2)
    assert "for its own --trust to say" in said
    said = modelport("promote", "fraud@1", "--server", server.url, code=1)
    assert "nobody said that it may be trusted" in said
    trusting = run_server(model_folder / "iris.onnx", "--trust", "fraud", env=home).wait_ready()
    server.stop()
    assert modelport("promote", "fraud@1", "--server", trusting.url).endswith("production  fraud@1\n")


def test_a_terminal_shows_a_bar(modelport, cancer, tmp_path):
    modelport("push", cancer / "good.onnx", "--name", "fraud")
    modelport("gate", "fraud", "accuracy > 0.9", "--data", cancer / "test.csv")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "modelport", "promote", "fraud@1", "--home", str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        shown = _all_of(ours)
        assert running.stdout.read().decode().endswith("production  fraud@1\n")
    for words in ("promoting fraud@1  [", "284 rows evaluated", "100%"):
        assert words in shown


def _all_of(terminal):
    """What was written to a terminal until its last writer left."""
    parts = []
    with contextlib.suppress(OSError):  # Linux says so when nobody can write to it any more
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
