"""MLflow's Python functions: in a process and an environment of their own, equal to MLflow called directly."""

import importlib.metadata
import json
import sys
from pathlib import Path

import httpx
import ml_dtypes
import msgspec
import numpy as np
import pytest

import modelport

pytest.importorskip("mlflow")
pytest.importorskip("pandas")

import pandas as pd
from mlflow_models import IRIS, TENSORS, TEXTS, TICKETS, direct, quiet, save
from sklearn.datasets import load_iris

from modelport.artifacts.digest import digest
from modelport.core.declared import declared_tensors
from modelport.core.errors import ForbiddenError, InvalidInputError, InvalidModelError, MissingExtraError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.isolation import environments
from modelport.runtimes.isolation.model import IsolatedModel, load_isolated
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.mlflow import environment
from modelport.runtimes.opening import open_model
from modelport.runtimes.outlines import outline_of
from modelport.runtimes.trust import parse_trust

HERE = ProcessOptions(requirements="none")


def opened(folder, spec=None):
    """The model in a process that has the packages of these tests."""
    return load_isolated(folder, "mlflow", spec, HERE)


@pytest.fixture(scope="module")
def rows():
    return load_iris(return_X_y=True, as_frame=True)[0]


@pytest.fixture(scope="module")
def iris(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("mlflow") / "iris"
    answer = pd.DataFrame({"name": ["0"], "score": [0.5]})
    with quiet():
        from mlflow.models import infer_signature

        signature = infer_signature(rows, answer, {"factor": 1.0})
    return save(folder, IRIS, signature=signature, input_example=rows.head(2))


def test_a_table_of_numbers_is_one_matrix_and_its_parameter_may_be_left_out(iris, rows):
    model = opened(iris)
    try:
        table, factor = model.signature.inputs
        assert (table.name, table.datatype, table.shape) == ("X", "FP64", (-1, 4))
        assert [column.default for column in table.meaning.columns] == [5.1, 3.5, 1.4, 0.2]
        assert (factor.name, factor.optional) == ("factor", True)
        wanted = direct(iris, rows)
        given = model.predict({"X": rows.to_numpy()})
        assert [name.decode() for name in given["name"]] == wanted["name"].tolist()
        assert np.array_equal(given["score"], wanted["score"])
        tenfold = model.predict({"X": rows.to_numpy(), "factor": np.array([10.0])}, ("score",))
        assert np.array_equal(tenfold["score"], direct(iris, rows, params={"factor": 10.0})["score"])
    finally:
        model.close()


def test_columns_of_all_kinds(tmp_path):
    frame = pd.DataFrame(
        {
            "who": ["ada", "bo"],
            "age": np.array([3, 4]),
            "opened": pd.to_datetime(["2024-05-01T12:00", "2024-05-01T12:00"]),
            "sizes": [[1.0, 2.0], [3.0, 4.0]],
            "about": [{"b": 1}, {"a": 2}],
        }
    )
    folder = tmp_path / "tickets"
    save(folder, TICKETS, input_example=frame)
    model = opened(folder)
    try:
        specs = {spec.name: (spec.datatype, spec.shape) for spec in model.signature.inputs}
        assert specs == {
            "who": ("BYTES", (-1,)),
            "age": ("INT64", (-1,)),
            "opened": ("BYTES", (-1,)),
            "sizes": ("FP64", (-1, -1)),
            "about": ("BYTES", (-1,)),
        }
        inputs = {
            "who": np.array([b"ada", b"bo"], np.object_),
            "age": np.array([3, 4]),
            "opened": np.array([b"2024-05-01T12:00:00"] * 2, np.object_),
            "sizes": np.array([[1.0, 2.0], [3.0, 4.0]]),
            "about": np.array([b'{"b": 1}', b'{"a": 2}'], np.object_),
        }
        wanted, given = direct(folder, frame), model.predict(inputs)
        assert given["hours"].tolist() == wanted["hours"].tolist() == [18.0, 23.0]
        assert given["tags"].tolist() == [[b"b"], [b"a"]]
        assert given["said"].tolist() == [b"ADA", b"BO"]
        with pytest.raises(InvalidInputError, match="'about' takes JSON"):
            model.predict({**inputs, "about": np.array([b"{", b"{"], np.object_)})
        with pytest.raises(InvalidInputError, match="'opened' takes times"):
            model.predict({**inputs, "opened": np.array([b"now?", b""], np.object_)})
    finally:
        model.close()


def test_tensors(tmp_path):
    with quiet():
        from mlflow.models import infer_signature

        pair = {"a": np.ones((2, 3), np.float32), "b": np.zeros((2, 3), np.float32)}
        named = infer_signature(pair, {"sum": pair["a"], "twice": pair["a"]})
    one = save(tmp_path / "one", TENSORS, input_example=np.ones((2, 2, 3)))
    two = save(tmp_path / "two", TENSORS, signature=named)
    cube = np.arange(12.0).reshape(2, 2, 3)
    model = opened(one)
    try:
        assert model.signature.inputs[0].describe() == "input FP64 [-1, 2, 3]"
        assert np.array_equal(model.predict({"input": cube})["output"], direct(one, cube))
    finally:
        model.close()
    model = opened(two)
    try:
        given, wanted = model.predict(pair), direct(two, pair)
        assert list(given) == ["sum", "twice"]
        assert all(np.array_equal(given[name], wanted[name]) for name in wanted)
    finally:
        model.close()


def test_type_hints_that_take_a_list(tmp_path):
    folder = save(tmp_path / "texts", TEXTS)
    model = opened(folder)
    try:
        assert model.predict({"input": np.array([b"one", b"three"], np.object_)})["output"].tolist() == [3, 5]
    finally:
        model.close()


def test_what_the_folder_does_not_say_is_asked_for_or_declared(tmp_path):
    folder = save(tmp_path / "silent", TENSORS)
    with pytest.raises(InvalidModelError, match="does not say what it takes: save it with a signature"):
        opened(folder)
    cube = {"input": {"datatype": "FP64", "shape": [-1, 2, 3]}}
    with pytest.raises(InvalidModelError, match="does not say what it gives"):
        opened(folder, LoadSpec(inputs=declared_tensors(cube)))
    answer = declared_tensors({"output": {"datatype": "FP64", "shape": [-1]}})
    model = opened(folder, LoadSpec(inputs=declared_tensors(cube), outputs=answer))
    try:
        assert model.predict({"input": np.ones((2, 2, 3))})["output"].tolist() == [6.0, 6.0]
    finally:
        model.close()


def test_it_is_loaded_only_where_it_is_trusted_and_in_a_process_of_its_own(iris):
    with pytest.raises(ForbiddenError, match=r"Its code imports: .*mlflow.*sklearn.datasets(.|\n)*--trust iris"):
        open_model("iris", digest(iris), iris)
    model = open_model("iris", digest(iris), iris, LoadSpec(), parse_trust(["iris"]), HERE)
    try:
        assert isinstance(model, IsolatedModel)
        assert model.info.properties["loader"] == "mlflow.pyfunc.loaders.code_model"
    finally:
        model.close()


def test_what_is_told_without_mlflow(iris, tmp_path):
    told = outline_of(iris, "mlflow")
    assert (told.writer, told.version) == ("MLflow", importlib.metadata.version("mlflow-skinny"))
    assert [spec.describe() for spec in told.signature.inputs] == ["X FP64 [-1, 4]"]
    assert [spec.describe() for spec in told.signature.outputs] == ["name BYTES [-1]", "score FP64 [-1]"]
    assert told.properties == {"loader": "mlflow.pyfunc.loaders.code_model", "python": sys.version.split()[0]}
    (tmp_path / "MLmodel").write_text("flavors: {python_function: 3}\nsignature: {inputs: '[{'}\n")
    with pytest.raises(InvalidModelError, match="cut short or damaged"):
        outline_of(tmp_path, "mlflow")


def test_trust_by_name_does_not_reach_to_attacks(tmp_path, iris):
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "MLmodel").write_text((iris / "MLmodel").read_text())
    (folder / "python_model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ForbiddenError, match=r"would start programs \(os.system\)"):
        open_model("iris", digest(folder), folder, LoadSpec(), parse_trust(["iris"]), HERE)


def test_through_rest_and_grpc_it_answers_as_mlflow_does(iris, rows, run_server):
    grpc = pytest.importorskip("tritonclient.grpc")
    wanted = direct(iris, rows.head(3))
    (iris / "modelport.toml").write_text('[process]\nrequirements = "none"\n')
    server = run_server(iris, "--trust", "iris").wait_ready(60)
    body = {"dataframe_split": json.loads(rows.head(3).to_json(orient="split"))}
    answer = httpx.post(f"{server.url}/invocations", json=body, timeout=20).json()["predictions"]
    assert [row["name"] for row in answer] == wanted["name"].tolist()
    assert [row["score"] for row in answer] == wanted["score"].tolist()
    body["params"] = {"factor": 2.0}
    answer = httpx.post(f"{server.url}/invocations", json=body, timeout=20).json()["predictions"]
    assert [row["score"] for row in answer] == (2 * wanted["score"]).tolist()
    with grpc.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        tensor = grpc.InferInput("X", [3, 4], "FP64")
        tensor.set_data_from_numpy(rows.head(3).to_numpy())
        given = client.infer("iris", [tensor])
    assert given.as_numpy("score").tolist() == wanted["score"].tolist()
    assert [name.decode() for name in given.as_numpy("name")] == wanted["name"].tolist()


def test_a_column_that_is_missing_is_named(iris, rows, run_server):
    (iris / "modelport.toml").write_text('[process]\nrequirements = "none"\n')
    server = run_server(iris, "--trust", "iris").wait_ready(60)
    records = rows.head(1).rename(columns={"petal width (cm)": "width"}).to_dict("records")
    refused = httpx.post(f"{server.url}/invocations", json={"dataframe_records": records}, timeout=20)
    assert refused.status_code == 400
    assert "width" in refused.text


def test_what_its_environment_lacks_is_said(iris, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(environments, "NEEDED", ())
    with pytest.raises(InvalidModelError, match=r"requirements.txt can't be installed (.|\n)*mlflow"):
        load_isolated(iris, "mlflow")
    (tmp_path / "bare").mkdir()
    for package in (modelport, np, msgspec, ml_dtypes):
        folder = Path(package.__file__).parent
        for each in (folder, *folder.parent.glob(f"{folder.name}.libs")):
            (tmp_path / "bare" / each.name).symlink_to(each)
    (tmp_path / "none.txt").write_text("# nothing\n")
    monkeypatch.setattr(environments, "_link", lambda: tmp_path / "bare")
    monkeypatch.setattr(environments.mlflow, "requirements_in", lambda *_: tmp_path / "none.txt")
    with pytest.raises(MissingExtraError, match="'mlflow' is not installed where it runs: name mlflow"):
        load_isolated(iris, "mlflow")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: m, python_version: 3.7.1}}\n")
    return tmp_path


def test_the_environment_that_a_folder_names(folder, tmp_path):
    kept = tmp_path / "kept"
    assert environment.requirements_in(folder, kept) is None
    (folder / "conda.yaml").write_text("dependencies: [python=3.11, pip<=23, {pip: [mlflow==3.1, six]}]\n")
    assert environment.requirements_in(folder, kept).read_text() == "mlflow==3.1\nsix\n"
    (folder / "conda.yaml").write_text("dependencies: [python=3.11, cudatoolkit=11.8]\n")
    with pytest.raises(InvalidModelError, match=r"names packages of conda \(cudatoolkit=11.8\)"):
        environment.requirements_in(folder, kept)
    (folder / "requirements.txt").write_text("six\n")
    assert environment.requirements_in(folder, kept) == folder / "requirements.txt"


def test_the_python_that_a_folder_names(folder):
    with pytest.raises(InvalidModelError, match=r"saved with Python 3.7.1, and Modelport needs Python 3.11 or later"):
        environment.python_for(folder)
    (folder / "python_env.yaml").write_text(f"python: {sys.version.split()[0]}\n")
    assert environment.python_for(folder) == ""
    (folder / "python_env.yaml").write_text("python: 3.99.0\n")
    with pytest.raises(InvalidModelError, match=r"no python3.99 was found: save it again, or .*\[process\] python"):
        environment.python_for(folder)
