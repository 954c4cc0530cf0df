"""push, pull, list, show, tag, alias, delete, history and gc, on a registry of this machine and over a server."""

import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from modelport.cli.main import main
from modelport.core.description import signature_from_dict
from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.records import By
from modelport.registry.releases import GateRules, RolloutChange, RolloutPlan, Verdict

WAYS = ["home", "server"]


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


@pytest.fixture(params=WAYS)
def on_registry(request, modelport, tmp_path, run_server, model_folder):
    """Runs a command on an empty registry: in a folder, or behind a real server."""
    if request.param == "home":
        return modelport
    home = tmp_path / "server"
    server = run_server(model_folder / "iris.onnx", env={"MODELPORT_HOME": str(home)}).wait_ready()
    return lambda *words, code=0: modelport(*words, "--server", server.url, code=code)


def test_from_a_file_to_production_and_back_to_a_file(on_registry, model_folder, tmp_path):
    iris = model_folder / "iris.onnx"
    tags = ("--tag", "team=risk", "--metric", "accuracy=0.98", "--alias", "staging", "--why", "a first try")
    said = on_registry("push", iris, "--name", "fraud", "--description", "first", *tags)
    assert said.startswith("fraud@1, staging  sha256:")
    assert on_registry("push", iris, "--name", "fraud").startswith("fraud@2  sha256:")
    assert on_registry("alias", "fraud@2", "production").split() == ["production", "fraud@2"]
    shown = json.loads(on_registry("show", "fraud@staging", "--json"))
    assert (shown["number"], shown["metrics"], shown["tags"]) == (1, {"accuracy": 0.98}, {"team": "risk"})
    assert shown["manifest"]["format"] == "onnx"
    signature = signature_from_dict(shown["manifest"]["signature"])
    assert signature.input("X").shape == (-1, 4)
    assert shown["manifest"]["provenance"]["who"] == "ann"
    on_registry("pull", "fraud@production", tmp_path / "out")
    assert (tmp_path / "out" / "iris.onnx").read_bytes() == iris.read_bytes()
    assert "not empty" in on_registry("pull", "fraud@production", tmp_path / "out", code=1)


def test_what_is_listed_and_shown(on_registry, model_folder):
    assert on_registry("list") == "no models\n"
    on_registry("push", model_folder / "iris.onnx", "--metric", "accuracy=0.98", "--alias", "production")
    on_registry("push", model_folder / "diabetes.onnx", "--name", "diabetes")
    lines = on_registry("list").splitlines()
    assert [line.split()[0] for line in lines] == ["model", "diabetes", "iris"]
    assert "production=1" in lines[2]
    assert "accuracy=0.98" in on_registry("list", "iris")
    assert [item["name"] for item in json.loads(on_registry("list", "--json"))] == ["diabetes", "iris"]
    text = on_registry("show", "iris@1")
    for words in ("iris@1", "production", "X FP32 [-1, 4]", "iris.onnx", "sha256:", "ann", "numpy"):
        assert words in text
    assert "production → 1" in on_registry("show", "iris")
    assert "did you mean 'iris'?" in on_registry("show", "iriss", code=1)


def test_tags_and_aliases_change(on_registry, model_folder):
    for _ in range(2):
        on_registry("push", model_folder / "iris.onnx")
    assert on_registry("tag", "iris@1", "a=1", "b=x=y", "--description", "old") == "a=1\nb=x=y\n"
    assert on_registry("tag", "iris@1", "--remove", "a") == "b=x=y\n"
    assert on_registry("tag", "iris", "team=risk") == "team=risk\n"
    on_registry("alias", "iris@1", "production", "--expect", "none")
    assert "names version 1, not version 2" in on_registry("alias", "iris@2", "production", "--expect", 2, code=1)
    on_registry("alias", "iris@2", "production", "--expect", 1)
    assert on_registry("alias", "iris") == "production  iris@2\n"
    on_registry("alias", "iris", "production", "--remove")
    assert on_registry("alias", "iris") == ""
    assert "iris@3 production" in on_registry("alias", "iris", "production", code=2)
    on_registry("tag", "iris@1", "nothing", code=2)


def test_what_is_in_use_is_not_deleted(on_registry, model_folder):
    on_registry("push", model_folder / "iris.onnx", "--alias", "production")
    on_registry("push", model_folder / "iris.onnx")
    assert "the alias production names it" in on_registry("delete", "iris@1", "--yes", code=1)
    on_registry("delete", "iris@2", code=1)  # nobody answered the question
    on_registry("delete", "iris@2", "--yes", "--why", "a mistake")
    assert [item["number"] for item in json.loads(on_registry("list", "iris", "--json"))] == [1]
    on_registry("alias", "iris", "production", "--remove")
    on_registry("delete", "iris", "--yes")
    assert on_registry("list") == "no models\n"
    assert "a mistake" in on_registry("history", "iris")


def test_the_history_answers_who_and_when(on_registry, model_folder):
    for who in ("ann", "bob"):
        on_registry(
            "push", model_folder / "iris.onnx", "--alias", "production", "--who", who, "--why", f"{who} said so"
        )
    between = json.loads(on_registry("history", "iris", "--json"))[2]["at"]
    on_registry("alias", "iris", "production", "--remove")
    said = on_registry("history", "iris", "--at", between)
    assert "iris@1" in said
    assert "ann said so" in said
    assert "no alias" in on_registry("history", "iris", "--at", datetime.now(UTC).isoformat())
    lines = on_registry("history", "iris").splitlines()
    assert "alias production → iris@2 (was 1)" in lines[2]
    assert len(on_registry("history", "--limit", 2).splitlines()) == 3
    said = on_registry("history", "--verify")
    assert "as they were written" in said
    on_registry("history", "--verify", "--expect", said.split()[-1])
    on_registry("history", "--verify", "--expect", "2:" + "0" * 64, code=1)
    on_registry("history", "--at", "now", code=2)


def test_a_file_that_runs_code_is_not_loaded_unless_it_is_trusted(modelport, tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LinearRegression

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])))
    modelport("push", path, "--name", "line")
    shown = json.loads(modelport("show", "line@1", "--json"))
    assert (shown["format"], shown["manifest"]["signature"]) == ("pickle", None)


def test_a_pickle_that_would_run_code_runs_none(modelport, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(Evil()))
    modelport("push", path)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_model_is_refused(modelport, tmp_path, model_folder):
    path = tmp_path / "x.onnx"
    path.write_bytes((model_folder / "iris.onnx").read_bytes()[:200])
    modelport("push", path, code=1)
    path.write_bytes(b"no model at all")
    modelport("push", path, code=1)
    modelport("push", tmp_path / "missing", code=2)
    modelport("push", model_folder / "iris.onnx", "--metric", "accuracy=high", code=2)
    modelport("push", model_folder / "iris.onnx", "--training-data", "missing.csv", code=1)
    modelport("push", model_folder / "iris.onnx", "--name", "a/b", code=1)
    assert modelport("list") == "no models\n"


def test_the_owners_words_and_the_training_data_go_with_it(modelport, tmp_path, model_folder):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.onnx").write_bytes((model_folder / "iris.onnx").read_bytes())
    (tmp_path / "in" / "modelport.toml").write_text('description = "irises"\n')
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    modelport("push", tmp_path / "in" / "m.onnx", "--training-data", tmp_path / "data.csv")
    manifest = json.loads(modelport("show", "m@1", "--json"))["manifest"]
    assert [file["path"] for file in manifest["files"]] == ["m.onnx", "modelport.toml"]
    assert len(manifest["provenance"]["training_data"]) == 64
    modelport("pull", "m", tmp_path / "out")
    assert (tmp_path / "out" / "modelport.toml").read_text() == 'description = "irises"\n'


def test_garbage_goes_when_it_is_old(modelport, model_folder):
    modelport("push", model_folder / "iris.onnx")
    modelport("delete", "iris@1", "--yes")
    assert modelport("gc").startswith("0 files")
    assert modelport("gc", "--grace", 0, "--dry-run").startswith("2 files")
    assert modelport("gc", "--grace", 0).startswith("2 files")
    assert modelport("gc", "--grace", 0).startswith("0 files")


def test_two_registries_at_once_are_refused(modelport):
    assert "leave out --home" in modelport("list", "--home", "x", "--server", "http://127.0.0.1:1", code=1)
    assert "no server answers" in modelport("list", "--server", "http://127.0.0.1:1", code=1)
    assert "--server" in modelport("list", "--registry", "http://127.0.0.1:1", code=1)


def test_a_server_without_a_registry_says_so(modelport, server):
    assert "nothing answers GET /api/v1/registry/models" in modelport("list", "--server", server.url, code=1)


def test_the_program_does_it_too(tmp_path, model_folder):
    command = [sys.executable, "-m", "modelport", "push", model_folder / "iris.onnx", "--home", tmp_path]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.startswith("iris@1  sha256:")


def test_the_history_tells_of_releases(modelport, model_folder, tmp_path):
    for _ in range(3):
        modelport("push", model_folder / "iris.onnx")
    registry = open_registry(RegistrySettings(home=str(tmp_path / "home")))
    by = By("ann", "a release")
    registry.promote("iris", 1, by)
    failed = (Verdict("accuracy > 0.9", False, "0.5"),)
    registry.promote("iris", 2, by, verdicts=failed, forced=True)
    registry.rollback("iris", by)
    registry.set_gates("iris", GateRules(("accuracy > 0.9", "p99_ms < 20")), by)
    registry.record_evaluation("iris", 3, {}, {"accuracy": 0.5}, "test.csv", "", by)
    rollout = registry.start_rollout("iris", RolloutPlan(3, steps=(5.0, 100.0)), by)
    assert "canary 1 of version 3, 5 % of production" in modelport("show", "iris")
    registry.change_rollout(rollout.id, RolloutChange(step=1), by)
    registry.change_rollout(rollout.id, RolloutChange(state="paused", reason="lunch"), by)
    assert "100 % of production, paused" in modelport("show", "iris")
    registry.change_rollout(rollout.id, RolloutChange(state="promoted"), by)
    registry.set_gates("iris", None, by)
    registry.close()
    lines = modelport("history", "iris").splitlines()[1:]
    said = (
        "gates of iris removed",
        "promoted iris@3 → production (was 1), by rollout 1",
        "rollout 1 of iris@3 (production) promoted at 100 %",
        "rollout 1 of iris@3 (production) paused at 100 %: lunch",
        "rollout 1 of iris@3 (production) at 100 %",
        "rollout 1 of iris@3 (production) started: canary 5, 100 %",
        "iris@3 evaluated on test.csv (evaluation 1)",
        "gates of iris: accuracy > 0.9; p99_ms < 20",
        "rolled back production → iris@1 (was 2)",
        "promoted iris@2 → production (was 1), forced past accuracy > 0.9",
        "promoted iris@1 → production",
    )
    for line, words in zip(lines, said, strict=False):
        assert words in line
    assert "accuracy=0.5 on test.csv" in modelport("show", "iris@3")
    assert "iris@3" in modelport("history", "iris", "--at", datetime.now(UTC).isoformat())
    assert "as they were written" in modelport("history", "--verify")
