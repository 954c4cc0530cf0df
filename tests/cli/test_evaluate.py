"""`modelport evaluate` as people run it: files and servers, gates and their exit codes, what it writes."""

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_iris

from modelport.cli.evaluate import evaluate
from modelport.cli.evaluate_subject import OneVersion
from modelport.client import Client
from modelport.core.errors import ConflictError
from modelport.evaluate.results import evaluation_from_json
from runtimes import onnx_graphs

SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`iris.onnx`, `forest.onnx`, and `iris.csv`, whose column `site` is not the model's."""
    made = tmp_path_factory.mktemp("evaluate")
    (made / "iris.onnx").write_bytes(onnx_graphs.classifier("text", zipmap=False)[0])
    (made / "forest.onnx").write_bytes(onnx_graphs.classifier("text", zipmap=False, kind="forest")[0])
    rows, classes = load_iris(return_X_y=True)
    with (made / "iris.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "site", "label"])
        for at, (row, place) in enumerate(zip(rows, classes, strict=True)):
            writer.writerow([*row, ("north", "south")[at % 2], SPECIES[place]])
    return made


def run(*words, code=0):
    done = CliRunner().invoke(evaluate, [*map(str, words), "--resamples", "50"])
    assert done.exit_code == code, done.output
    return done


def test_metrics_classes_and_slices_are_shown(folder):
    said = run(folder / "iris.onnx", "--data", folder / "iris.csv", "--slice", "site").output
    assert "iris on iris.csv: classification, 150 rows, label 'label'" in said
    for line in ("accuracy ", "setosa ", "site = north"):
        assert any(found.startswith(line) for found in said.splitlines()), line
    assert "0.9733" in said


def test_gates_pass_and_refuse(folder):
    words = (folder / "iris.onnx", "--data", folder / "iris.csv", "--ignore", "site")
    words = (*words, "--compare", folder / "forest.onnx")
    passed = run(*words, "--gate", "accuracy >= production - 0.1", "--gate", "signature compatible")
    assert passed.output.count("gate passed") == 2
    refused = run(*words, "--gate", "accuracy >= production", "--gate", "f1 > 0.5", code=3)
    assert "gate REFUSED  accuracy >= production  (accuracy 0.9733, production 0.9933: 0.9733 >= 0.9933 is not so)" in (
        refused.output
    )
    assert "1 of 2 gates refused" in refused.stderr


WRONG = {
    "acuracy > 0": "did you mean 'accuracy'?",
    "accuracy > production": "name that version with --compare",
    "f1.rose > 0": "f1 has no part 'rose'",
    "rmse < 1": "has no rmse",
}


@pytest.mark.parametrize(("gate", "said"), WRONG.items(), ids=list(WRONG))
def test_a_gate_that_means_nothing_here(gate, said, folder):
    done = run(folder / "iris.onnx", "--data", folder / "iris.csv", "--ignore", "site", "--gate", gate, code=2)
    assert said in done.stderr


def test_input_that_does_not_fit(folder, tmp_path):
    assert (
        "no column 'sight'"
        in run(folder / "iris.onnx", "--data", folder / "iris.csv", "--slice", "sight", code=2).stderr
    )
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b,c,d,label\n1,2,3,4,setosa\n1,2,3,four,setosa\n")
    assert "broken.csv, row 2: " in run(folder / "iris.onnx", "--data", broken, code=2).stderr
    assert "neither a file" in run("nothing.onnx", "--data", folder / "iris.csv", code=2).stderr
    assert "of no format that is known" in run(folder / "iris.csv", "--data", folder / "iris.csv", code=2).stderr
    assert "does not exist" in run(folder / "iris.onnx", "--data", folder / "none.csv", code=2).stderr


def test_a_server_that_is_away_is_a_failure(folder):
    assert run("http://127.0.0.1:9/models/iris", "--data", folder / "iris.csv", code=1).stderr.startswith("Error: ")


def test_json_report_and_plots_are_written(folder, tmp_path):
    run(
        folder / "iris.onnx", "--data", folder / "iris.csv", "--ignore", "site", "--gate", "accuracy > 0.99", "--json",
        tmp_path / "e.json", "--html", tmp_path / "e.html", "--plots", tmp_path / "plots", "--seed", "5", code=3,
    )  # fmt: skip
    text = (tmp_path / "e.json").read_bytes()
    evaluation = evaluation_from_json(text)
    assert evaluation.measured.metrics["accuracy"].value == pytest.approx(146 / 150)
    assert (evaluation.seed, evaluation.resamples, len(evaluation.data.digest)) == (5, 50, 64)
    assert len(evaluation.measured.model.digest) == 64
    [gate] = json.loads(text)["gates"]
    assert (gate["gate"], gate["passed"]) == ("accuracy > 0.99", False)
    assert "accuracy &gt; 0.99" in (tmp_path / "e.html").read_text()
    names = sorted(file.name for file in (tmp_path / "plots").iterdir())
    assert names == ["confusion-matrix.svg", "reliability.svg", "roc.svg"]
    for name in names:
        ElementTree.parse(tmp_path / "plots" / name)
    missing = tmp_path / "no" / "e.json"
    assert (
        "can't be written"
        in run(
            folder / "iris.onnx", "--data", folder / "iris.csv", "--ignore", "site", "--json", missing, code=2
        ).stderr
    )


def test_golden_requests_beside_the_model(folder, tmp_path):
    model = tmp_path / "iris.onnx"
    model.write_bytes((folder / "iris.onnx").read_bytes())
    words = (model, "--data", folder / "iris.csv", "--ignore", "site", "--gate", "golden == ok")
    assert "no golden requests are stored" in run(*words, code=3).output
    (tmp_path / "modelport.toml").write_text('[warmup]\nrequests = ["golden.npz"]\n')
    rows = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
    np.savez(tmp_path / "golden.npz", X=rows, label=np.array(["setosa"]))
    assert "gave what they should" in run(*words).output
    np.savez(tmp_path / "golden.npz", X=rows, label=np.array(["virginica"]))
    assert "expected b'virginica', got b'setosa'" in run(*words, code=3).output


def test_a_served_model_has_the_figures_of_its_file(folder, serve_models, tmp_path):
    url = serve_models(folder / "iris.onnx", folder / "forest.onnx")
    data = ("--data", folder / "iris.csv", "--ignore", "site")
    run(f"{url}/models/iris", *data, "--compare", folder / "iris.onnx", "--json", tmp_path / "url.json")
    made = evaluation_from_json((tmp_path / "url.json").read_bytes())
    assert made.comparison.disagreement.value == 0
    accuracies = {made.measured.metrics["accuracy"], made.comparison.other.metrics["accuracy"]}
    assert len(accuracies) == 1
    said = run(url, "--model", "forest", *data, "--compare", f"{url}/models/iris").output
    assert said.startswith("forest on iris.csv")
    assert "serves these models" in run(url, *data, code=2).stderr


def test_two_versions_that_answer_one_evaluation_are_noticed(folder, serve_models):
    url = serve_models(folder / "iris.onnx")
    with Client(url) as client:
        model = OneVersion(client, "iris", None)
        rows = {"X": np.zeros((2, 4), np.float32)}
        first, second = model(rows), model(rows)
        assert list(first["label"]) == list(second["label"])
        model._answered = "7"  # as if another one had answered before
        with pytest.raises(ConflictError, match=r"version 7 of 'iris' answered first, and now version 1: name one"):
            model(rows)


def test_a_pickle_is_loaded_only_where_it_is_trusted(folder, tmp_path):
    import pickle

    from sklearn.linear_model import LogisticRegression

    rows, classes = load_iris(return_X_y=True)
    model = tmp_path / "pickled.pkl"
    model.write_bytes(pickle.dumps(LogisticRegression(max_iter=500).fit(rows, np.array(SPECIES)[classes])))
    words = (model, "--data", folder / "iris.csv", "--ignore", "site")
    assert "--trust" in run(*words, code=2).stderr
    assert "0.9733" in run(*words, "--trust", "pickled").output


def test_from_the_shell(folder):
    command = [sys.executable, "-m", "modelport", "evaluate", str(folder / "iris.onnx"), "--data"]
    done = subprocess.run(
        [*command, str(folder / "iris.csv"), "--ignore", "site", "--gate", "accuracy > 0.99"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "gate REFUSED" in done.stdout
    assert done.stderr == "1 of 1 gates refused\n"
