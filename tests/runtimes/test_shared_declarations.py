"""A modelport.toml beside several models: what it declares of tensors need not fit each of them."""

import httpx
import pytest
from onnx_graphs import identity
from python_models import DOUBLE, write

from modelport.core.errors import ModelportError
from modelport.engine.lifecycle.loader import load_spec
from modelport.engine.lifecycle.source import scan
from modelport.runtimes.isolation.messages import spec_document, spec_from_document

SHARED = """
[inputs.x]
kind = "tabular"
columns = ["a", "b", "c"]

[outputs.y]
kind = "regression"
unit = "kg"
"""
OF_NOBODY = SHARED + '\n[inputs.other]\nkind = "text"\n\n[outputs.another]\nkind = "regression"\n'


def put(folder, *names):
    for name in names:
        (folder / name).write_bytes(identity().SerializeToString())
    return folder


def shared_names(folder, *paths):
    """Which declared tensors of each model need not be there."""
    found = scan(paths or (folder,))
    specs = {model: load_spec(versions[1].model_file(model)) for model, versions in found.items()}
    return {
        model: {item.name for item in (*spec.inputs, *spec.outputs) if item.shared} for model, spec in specs.items()
    }


def test_names_at_the_top_are_shared_where_there_are_several_models(tmp_path):
    put(tmp_path, "one.onnx", "two.onnx")
    (tmp_path / "modelport.toml").write_text(f"{SHARED}\n[models.two.inputs.x]\ndatatype = 'FP32'\n")
    assert shared_names(tmp_path) == {"one": {"x", "y"}, "two": {"y"}}
    assert shared_names(tmp_path, tmp_path / "one.onnx") == {"one": {"x", "y"}}


def test_a_model_of_its_own_is_held_to_every_name(tmp_path):
    put(tmp_path, "one.onnx")
    (tmp_path / "modelport.toml").write_text(SHARED)
    assert shared_names(tmp_path) == {"one": set()}


def test_a_version_tree_is_one_model(tmp_path):
    for number in ("1", "2"):
        (tmp_path / "tree" / number).mkdir(parents=True)
        put(tmp_path / "tree" / number, "model.onnx")
    (tmp_path / "tree" / "modelport.toml").write_text(SHARED)
    assert shared_names(tmp_path / "tree") == {"tree": set()}


def test_what_is_shared_is_so_in_a_process_of_its_own(tmp_path):
    put(tmp_path, "one.onnx", "two.onnx")
    (tmp_path / "modelport.toml").write_text(SHARED)
    spec = load_spec(scan((tmp_path,))["one"][1].model_file("one"))
    assert spec_from_document(spec_document(spec)) == spec


def test_models_without_the_tensor_are_served_all_the_same(tmp_path, run_server):
    put(tmp_path, "one.onnx", "two.onnx")
    (tmp_path / "double").mkdir()
    write(tmp_path / "double", DOUBLE)
    (tmp_path / "modelport.toml").write_text(OF_NOBODY)
    server = run_server(tmp_path, "--trust", "double").wait_ready()
    for model in ("one", "two", "double"):
        assert httpx.get(f"{server.url}/v2/models/{model}/ready").status_code == 200, server.output
    answer = httpx.post(f"{server.url}/models/one/predict", json={"a": 1, "b": 2, "c": 3}).json()
    assert answer["predictions"] is not None


@pytest.mark.parametrize(
    "own", ["[models.one.inputs.other]\nkind = 'text'\n", "[models.one.outputs.other]\nkind = 'regression'\n"]
)
def test_a_name_in_a_models_own_section_must_be_a_tensors(tmp_path, own):
    from modelport.core.declared import with_meanings
    from modelport.runtimes import catalog

    put(tmp_path, "one.onnx", "two.onnx")
    (tmp_path / "modelport.toml").write_text(OF_NOBODY + own)
    for model, versions in scan((tmp_path,)).items():
        spec = load_spec(versions[1].model_file(model))
        signature = catalog.load(versions[1].path, spec).signature
        if model == "one":
            with pytest.raises(ModelportError, match="'other'"):
                with_meanings(signature, spec.inputs, spec.outputs)
        else:
            assert with_meanings(signature, spec.inputs, spec.outputs).inputs[0].meaning.columns[0].name == "a"
