"""`modelport inspect` of each format: size, what wrote it, and what can be told where its framework is missing."""

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from modelport.cli.inspect import inspect
from modelport.cli.inspect_versions import FRAMEWORKS, installed


def run(*words):
    return CliRunner().invoke(inspect, [str(word) for word in words])


def looked_at(path, *words, code=0):
    result = run(path, "--json", *words)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


#: The frameworks as if they were not installed.
WITHOUT = """
import sys
for name in {modules!r}:
    sys.modules[name] = None
from modelport.cli.main import main
main(["inspect", {path!r}, "--json"])
"""


def without_framework(path, *modules):
    """The document that a process gives in which those modules can't be imported."""
    script = WITHOUT.format(modules=modules, path=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert not done.stderr.startswith("Traceback"), done.stderr
    return json.loads(done.stdout)


def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def xgboost_model(folder, name="model.json"):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1).fit(*iris())
    model.save_model(folder / name)
    return folder / name, model.get_booster().trees_to_dataframe()


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_xgboost(name, tmp_path):
    path, nodes = xgboost_model(tmp_path, name)
    import xgboost

    found = looked_at(path)
    assert found["parameters"] == f"{nodes.Tree.nunique()} trees, {len(nodes)} nodes"
    assert found["written_by"] == found["framework"] == f"XGBoost {xgboost.__version__}"
    bare = without_framework(path, "xgboost")
    assert bare["needs"][0]["kind"] == "install"
    assert "pip install 'modelport[xgboost]'" in bare["needs"][0]["text"]
    assert bare["written_by"] == found["written_by"]
    if name == "model.json":
        assert bare["parameters"] == found["parameters"]
        assert bare["signature"]["inputs"] == found["signature"]["inputs"]


def test_lightgbm(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1, n_jobs=1).fit(*iris())
    model.booster_.save_model(tmp_path / "model.txt")
    nodes = len(model.booster_.trees_to_dataframe())
    found = looked_at(tmp_path / "model.txt")
    assert found["parameters"] == f"9 trees, {nodes} nodes"
    bare = without_framework(tmp_path / "model.txt", "lightgbm")
    assert (bare["parameters"], bare["signature"]["inputs"]) == (found["parameters"], found["signature"]["inputs"])
    assert "modelport[lightgbm]" in bare["needs"][0]["text"]


def test_catboost(tmp_path):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=4, depth=2, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(*iris()).save_model(str(tmp_path / "model.cbm"))
    found = looked_at(tmp_path / "model.cbm")
    assert found["parameters"] == f"4 trees, {sum(model.get_tree_leaf_counts())} leaves"
    bare = without_framework(tmp_path / "model.cbm", "catboost")
    assert bare["parameters"] == found["parameters"]
    assert bare["written_by"] == f"CatBoost {catboost.__version__}"


def test_catboost_that_is_cut_short_is_told_without_catboost(tmp_path):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=4, depth=2, verbose=0, thread_count=1, allow_writing_files=False)
    model.fit(*iris()).save_model(str(tmp_path / "model.cbm"))
    content = (tmp_path / "model.cbm").read_bytes()
    for size in range(8, len(content), 997):
        (tmp_path / "cut.cbm").write_bytes(content[:size])
        assert "cut short" in looked_at(tmp_path / "cut.cbm", code=1)["problem"]


SKLEARN = {
    "linear": (lambda m: m.linear_model.LinearRegression(), "5"),
    "logistic": (lambda m: m.linear_model.LogisticRegression(max_iter=500), "15"),
    "pipeline": (lambda m: m.pipeline.make_pipeline(m.preprocessing.StandardScaler(), m.linear_model.Ridge()), "5"),
    "network": (lambda m: m.neural_network.MLPClassifier((6,), max_iter=20), str(4 * 6 + 6 + 6 * 3 + 3)),
    "clusters": (lambda m: m.cluster.KMeans(3, n_init=1), "12"),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_numbers_that_estimators_learned(name, tmp_path):
    import sklearn.cluster
    import sklearn.neural_network
    import sklearn.pipeline
    import sklearn.preprocessing

    make, count = SKLEARN[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make(sklearn).fit(*iris())
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    assert looked_at(tmp_path / "model.pkl", "--trust", "all")["parameters"] == count


@pytest.mark.parametrize(
    "kind", ["RandomForestClassifier", "GradientBoostingClassifier", "HistGradientBoostingClassifier"]
)
def test_trees_of_estimators(kind, tmp_path):
    from sklearn import ensemble

    limits = {"max_iter": 2} if kind.startswith("Hist") else {"n_estimators": 2}
    fitted = getattr(ensemble, kind)(max_depth=2, random_state=0, **limits).fit(*iris())
    if kind.startswith("Hist"):
        nodes = [len(tree.nodes) for stage in fitted._predictors for tree in stage]
    else:
        nodes = [tree.tree_.node_count for tree in np.ravel(fitted.estimators_)]
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    found = looked_at(tmp_path / "model.pkl", "--trust", "all")
    assert found["parameters"] == f"{len(nodes)} trees, {sum(nodes)} nodes"


def test_trees_and_coefficients_in_onnx(tmp_path):
    """Operators of ONNX-ML keep what was learned in attributes: no initializer says how large they are."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression

    x, y = iris()
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, y)
    (tmp_path / "forest.onnx").write_bytes(skl2onnx.to_onnx(forest, x[:1].astype(np.float32)).SerializeToString())
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    found = looked_at(tmp_path / "forest.onnx")
    assert found["parameters"] == f"5 trees, {nodes} nodes"
    assert found["written_by"].startswith(f"skl2onnx {skl2onnx.__version__}")
    linear = LinearRegression().fit(x, y)
    (tmp_path / "linear.onnx").write_bytes(skl2onnx.to_onnx(linear, x[:1].astype(np.float32)).SerializeToString())
    assert looked_at(tmp_path / "linear.onnx")["parameters"] == "5"


def test_weights_beside_an_onnx_model_are_counted_and_may_not_lead_out(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((40, 30), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 30])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="all.weights", size_threshold=0)
    found = looked_at(tmp_path / "net.onnx")
    assert (found["bytes_beside"], found["parameters"]) == (4800, "1200")
    assert "and 4.8 kB in files beside it" in run(tmp_path / "net.onnx").stdout
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../secret"
    (tmp_path / "secret").write_bytes(b"0" * 4800)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "net.onnx").write_bytes(model.SerializeToString())
    assert "outside of the model's folder" in looked_at(tmp_path / "inner" / "net.onnx", code=1)["problem"]


def test_torchscript_says_what_to_write_into_modelport_toml(tmp_path):
    torch = pytest.importorskip("torch")
    from runtimes import torch_models as models

    path = models.scripted(models.Digits(), tmp_path / "digits.pt")
    found = looked_at(path, code=1)
    assert [need["kind"] for need in found["needs"]] == ["modelport.toml"]
    assert "\n  [inputs.pixels]\n" in run(path).stdout
    (tmp_path / "modelport.toml").write_text('[inputs.pixels]\ndatatype = "FP32"\nshape = [-1, 64]\n')
    found = looked_at(path)
    assert found["parameters"] == str(sum(item.numel() for item in models.Digits().state_dict().values()))
    assert found["framework"] == f"PyTorch {torch.__version__}"
    bare = without_framework(path, "torch")
    assert "modelport[torch]" in bare["needs"][0]["text"]
    assert "calls nothing but what computes" in bare["properties"]["program"]


def test_an_exported_program_and_safetensors_are_read_without_being_loaded(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    from runtimes import torch_models as models

    network = models.Digits()
    count = str(sum(item.numel() for item in network.state_dict().values()))
    path = models.exported(network, tmp_path / "digits.pt2", torch.from_numpy(models.rows()))
    before = looked_at(path, code=1)
    after = looked_at(path, "--trust", "all")
    assert before["parameters"] == after["parameters"] == count
    assert before["signature"] == after["signature"]
    assert before["written_by"] == f"PyTorch {torch.__version__.partition('+')[0]}"
    assert without_framework(path, "torch")["signature"] == after["signature"]
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "weights.py").write_text("import subprocess\n" + models.CODE)
    found = looked_at(tmp_path / "weights.safetensors", code=1)
    assert (found["parameters"], found["properties"]["datatypes"]) == (count, "F32")
    assert found["dangers"] == ["weights.safetensors asks for subprocess, which can reach beyond the model"]
    assert found["bytes_beside"] == (tmp_path / "weights.py").stat().st_size
    assert [need["kind"] for need in without_framework(tmp_path / "weights.safetensors", "torch")["needs"]] == [
        "install",
        "trust",
    ]


def test_a_saved_model(tmp_path):
    pytest.importorskip("tensorflow")
    from runtimes import tensorflow_models as models

    model, _ = models.iris()
    path = models.export(tmp_path / "iris", model)
    found = looked_at(path)
    assert found["parameters"] == str(model.count_params())
    assert found["written_by"] == f"TensorFlow {models.tf.__version__}"
    bare = without_framework(path, "tensorflow", "keras", "h5py")
    assert (bare["parameters"], bare["signature"]) == (found["parameters"], found["signature"])
    assert "modelport[tensorflow]" in bare["needs"][0]["text"]


def test_operations_of_a_saved_model_that_use_files(tmp_path):
    pytest.importorskip("tensorflow")
    from runtimes import tensorflow_models as models

    module = models.Reader()
    path = models.save(tmp_path / "reader", module, serving_default=module.read)
    found = looked_at(path, code=1)
    assert found["dangers"] == ["operations that use files or networks: ReadFile"]
    assert "ReadFile" in found["needs"][0]["text"]
    assert found["needs"][0]["kind"] == "modelport.toml"
    assert without_framework(path, "tensorflow")["dangers"] == found["dangers"]
    module = models.Caller()
    path = models.save(tmp_path / "caller", module, serving_default=module.call)
    assert "Python functions" in looked_at(path, code=1)["dangers"][0]


def test_keras(tmp_path):
    pytest.importorskip("tensorflow")
    from runtimes import tensorflow_models as models

    model, _ = models.iris()
    for name in ("iris.keras", "iris.h5"):
        found = looked_at(models.keras_file(tmp_path / name, model))
        assert found["parameters"] == str(model.count_params())
    bare = without_framework(tmp_path / "iris.keras", "tensorflow", "keras", "h5py")
    assert bare["written_by"] == f"Keras {models.keras.__version__}"
    assert [need["kind"] for need in bare["needs"]] == ["install"]
    layers = [models.keras.Input((2,)), models.keras.layers.Lambda(lambda x: x * 2)]
    path = models.keras_file(tmp_path / "code.keras", models.keras.Sequential(layers))
    found = looked_at(path, code=1)
    assert found["dangers"] == ["layers that run Python code of the file: Lambda, __lambda__"]
    assert "'Lambda' layer" in found["problem"] or "'__lambda__' layer" in found["problem"]


def test_tflite(tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    from runtimes import tensorflow_models, tflite_models

    (tmp_path / "table.tflite").write_bytes(tflite_models.gather())
    found = looked_at(tmp_path / "table.tflite")
    assert found["parameters"] == "6"
    bare = without_framework(tmp_path / "table.tflite", "ai_edge_litert")
    assert (bare["parameters"], "modelport[tflite]" in bare["needs"][0]["text"]) == ("6", True)
    inputs = [(item["datatype"], item["shape"]) for item in bare["signature"]["inputs"]]
    assert inputs == [("INT32", [3])]
    (tmp_path / "iris.tflite").write_bytes(tflite_models.iris())
    weights = tensorflow_models.iris()[0].layers
    folded = sum(np.size(layer.kernel) + np.size(layer.bias) for layer in weights if hasattr(layer, "kernel"))
    assert int(looked_at(tmp_path / "iris.tflite")["parameters"]) == folded


def test_openvino(tmp_path):
    pytest.importorskip("openvino")
    from runtimes import openvino_models as models

    found = looked_at(models.digits_ir(tmp_path / "digits.xml"))
    learned = sum(item.size for item in models.trained())
    assert int(found["parameters"]) - learned in range(4)  # and a few constants: the divisor, axes
    assert found["bytes_beside"] == (tmp_path / "digits.bin").stat().st_size
    bare = without_framework(tmp_path / "digits.xml", "openvino")
    assert bare["parameters"] == found["parameters"]
    assert bare["signature"]["inputs"] == found["signature"]["inputs"]
    (tmp_path / "evil.xml").write_text('<!DOCTYPE net [<!ENTITY a "b">]>\n' + (tmp_path / "digits.xml").read_text())
    (tmp_path / "evil.bin").write_bytes((tmp_path / "digits.bin").read_bytes())
    assert "document type declaration" in looked_at(tmp_path / "evil.xml", code=1)["problem"]


def test_pmml(tmp_path):
    pytest.importorskip("pypmml")
    from runtimes import pmml_models as models

    document, names, *_ = models.trained("forest")
    (tmp_path / "forest.pmml").write_text(document)
    bare = without_framework(tmp_path / "forest.pmml", "pypmml", "jpype")
    assert bare["parameters"].startswith("5 trees, ")
    assert bare["parameters"].endswith(f" {document.count('<Node')} nodes")
    assert bare["properties"]["fields"].split(", ")[: len(names)] == list(names)
    assert "modelport[pmml]" in bare["needs"][0]["text"]


def test_pmml_without_java(tmp_path, monkeypatch):
    pytest.importorskip("pypmml")
    from runtimes import pmml_models as models

    (tmp_path / "forest.pmml").write_text(models.trained("forest")[0])
    monkeypatch.setattr("modelport.runtimes.pmml.java.PMMLContext.gateway", lambda: None)
    monkeypatch.setattr("modelport.runtimes.pmml.java.jpype.getDefaultJVMPath", lambda: str(tmp_path / "no.so"))
    found = looked_at(tmp_path / "forest.pmml", code=1)
    assert found["needs"][0]["kind"] == "install"
    assert "Java" in found["needs"][0]["text"]


def test_a_difference_of_versions_says_what_it_means(tmp_path):
    path, _ = xgboost_model(tmp_path)
    document = json.loads(path.read_text())
    here = installed("xgboost")
    document["version"] = [1, 7, 6]
    path.write_text(json.dumps(document))
    [told] = looked_at(path)["warnings"]
    assert (
        told == f"written by XGBoost 1.7.6, loaded by {here}: XGBoost promises to read what earlier versions saved so"
    )
    document["version"] = [99, 1, 0]
    path.write_text(json.dumps(document))
    [told] = looked_at(path)["warnings"]
    assert f"written by XGBoost 99.1.0, loaded by {here}, which is older" in told
    assert "pip install 'xgboost>=99.1.0'" in told


def test_requirements_of_a_model_are_told_before_anything_is_installed(tmp_path):
    (tmp_path / "model.py").write_text("class Model:\n    def predict(self, x: float) -> float:\n        return x\n")
    (tmp_path / "requirements.txt").write_text("# what it needs\nnothing-of-that-name>=9\n")
    found = looked_at(tmp_path, code=1)
    assert found["properties"]["requirements"] == "nothing-of-that-name>=9"
    assert [need["kind"] for need in found["needs"]] == ["trust"]


def test_what_an_own_environment_brings_need_not_be_installed_here(tmp_path):
    from sklearn.linear_model import LinearRegression

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(*iris())))
    found = without_framework(tmp_path / "model.pkl", "sklearn")
    assert [need["kind"] for need in found["needs"]] == ["install", "trust"]
    (tmp_path / "modelport.toml").write_text('[process]\nrequirements = "old.txt"\n')
    (tmp_path / "old.txt").write_text("scikit-learn==1.5.2\n")
    found = without_framework(tmp_path / "model.pkl", "sklearn")
    assert [need["kind"] for need in found["needs"]] == ["trust"]
    assert found["properties"]["requirements"] == "scikit-learn==1.5.2"


def test_every_framework_is_one_that_an_extra_brings():
    extras = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for framework in FRAMEWORKS.values():
        assert any(name in extras for name in framework.distributions)


def test_safetensors_that_are_no_such_file(tmp_path):
    (tmp_path / "x.safetensors").write_bytes((10**9).to_bytes(8, "little") + b'{"a":')
    result = run(tmp_path / "x.safetensors")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
