"""`modelport golden`: record by a file and by a server, check, and what both say when something is wrong."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from modelport.artifacts.model_file import ModelFile
from modelport.cli.golden import golden
from modelport.core.errors import InvalidModelError
from modelport.engine.lifecycle.golden import prove
from modelport.runtimes import catalog


def run(*words):
    return CliRunner().invoke(golden, [str(word) for word in words])


def net(path, factor=2.0):
    """y = factor x for rows of three, z = x > 0, and t, a text that it gives back."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["y"]),
            helper.make_node("Greater", ["x", "zero"], ["z"]),
            helper.make_node("Identity", ["t"], ["u"]),
        ],
        "net",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("t", TensorProto.STRING, ["n"]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("z", TensorProto.BOOL, ["n", 3]),
            helper.make_tensor_value_info("u", TensorProto.STRING, ["n"]),
        ],
        [
            numpy_helper.from_array(np.full(3, factor, np.float32), "w"),
            numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def request(path, rows=((1.5, -2.0, 0.1),), texts=("öl",), outputs=None):
    inputs = [
        {"name": "x", "shape": [len(rows), 3], "datatype": "FP32", "data": [item for row in rows for item in row]},
        {"name": "t", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)},
    ]
    path.write_text(json.dumps({"inputs": inputs} | ({"outputs": outputs} if outputs else {})))
    return path


@pytest.mark.parametrize("name", ["kept.json", "kept.npz"])
def test_what_is_recorded_proves_the_model_and_fails_another(name, tmp_path):
    model, kept = net(tmp_path / "net.onnx"), tmp_path / name
    done = run("record", model, request(tmp_path / "r.json"), "--out", kept)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{kept}: 3 outputs of net\n"
    loaded = catalog.load(model)
    settings = ModelFile(tmp_path, {"warmup": {"requests": [name]}})
    assert prove(loaded, loaded.signature, settings) == 1
    assert run("check", model, kept).exit_code == 0
    other = net(tmp_path / "other.onnx", 2.5)
    failed = run("check", other, kept)
    assert failed.exit_code == 1
    assert f"{kept}: output 'y' at [0, 0]: expected 3.0, got 3.75 (rtol 0.001, atol 1e-05)" in failed.stdout
    assert failed.stderr == "Error: other answers 1 of 1 request otherwise\n"
    with pytest.raises(InvalidModelError, match=r"expected 3\.0, got 3\.75"):
        prove(catalog.load(other), loaded.signature, settings)


def test_tolerances_come_from_the_command_or_from_modelport_toml(tmp_path):
    kept = tmp_path / "kept.json"
    assert run("record", net(tmp_path / "net.onnx"), request(tmp_path / "r.json"), "--out", kept).exit_code == 0
    near = net(tmp_path / "near.onnx", 2.01)
    assert run("check", near, kept).exit_code == 1
    assert run("check", near, kept, "--rtol", "0.01").exit_code == 0
    (tmp_path / "modelport.toml").write_text('[warmup]\nrequests = ["kept.json"]\nrtol = 0.01\n')
    assert run("check", near).exit_code == 0
    assert run("check", near, "--rtol", "0.0001").exit_code == 1


def test_numbers_that_json_has_no_words_for_come_back(tmp_path):
    rows = ((float("inf"), float("nan"), -1e-45), (3.4e38, 0.1, -0.0))
    model = net(tmp_path / "net.onnx", 1.0)
    for name in ("kept.json", "kept.npz"):
        done = run("record", model, request(tmp_path / "r.json", rows, ("a", "")), "--out", tmp_path / name)
        assert done.exit_code == 0, done.output
        assert run("check", model, tmp_path / name, "--rtol", "0", "--atol", "0").exit_code == 0


def test_only_the_outputs_asked_for_are_kept(tmp_path):
    asked = request(tmp_path / "r.json", outputs=[{"name": "z"}])
    done = run("record", net(tmp_path / "net.onnx"), asked, "--out", tmp_path / "kept.json")
    assert done.stdout == f"{tmp_path / 'kept.json'}: 1 output of net\n"
    assert [item["name"] for item in json.loads((tmp_path / "kept.json").read_text())["outputs"]] == ["z"]
    wrong = request(tmp_path / "w.json", outputs=[{"name": "zz"}])
    assert "unknown output 'zz'" in run("record", tmp_path / "net.onnx", wrong, "--out", tmp_path / "k.json").stderr


def test_several_requests_go_to_a_folder(tmp_path):
    model = net(tmp_path / "net.onnx")
    first, second = request(tmp_path / "a.json"), tmp_path / "b.npz"
    np.savez(second, x=np.ones((2, 3), np.float32), t=np.array([b"x", b"y"]))
    done = run("record", model, first, second, "--out", tmp_path / "golden")
    assert done.exit_code == 0, done.output
    assert sorted(item.name for item in (tmp_path / "golden").iterdir()) == ["a.json", "b.npz"]
    assert run("check", model, *(tmp_path / "golden").iterdir()).exit_code == 0
    assert run("record", model, first, second, "--out", tmp_path / "one.json").exit_code == 2


def test_what_a_form_can_not_carry_is_refused_and_leaves_nothing(tmp_path):
    """A fixed-width text loses the zeros at its end."""
    asked = request(tmp_path / "r.json", texts=("ends in zero\0",))
    done = run("record", net(tmp_path / "net.onnx"), asked, "--out", tmp_path / "kept.npz")
    assert done.exit_code == 1
    assert ".npz can't carry the output 'u' as it is: write .json instead" in done.stderr
    assert {item.name for item in tmp_path.iterdir()} == {"r.json", "net.onnx"}
    assert run("record", tmp_path / "net.onnx", asked, "--out", tmp_path / "kept.json").exit_code == 0


def test_wrong_requests_and_files(tmp_path):
    model = net(tmp_path / "net.onnx")
    (tmp_path / "r.json").write_text('{"inputs": [{"name": "nope", "shape": [1], "datatype": "FP32", "data": [1]}]}')
    done = run("record", model, tmp_path / "r.json", "--out", tmp_path / "k.json")
    assert (done.exit_code, "r.json" in done.stderr, "'nope'" in done.stderr) == (2, True, True)
    assert run("record", model, tmp_path / "gone.json", "--out", tmp_path / "k.json").exit_code == 2
    assert run("record", model, request(tmp_path / "r.json"), "--out", tmp_path / "k.txt").exit_code == 2
    assert run("record", model, "--out", tmp_path / "k.json").exit_code == 2
    nothing = run("check", model)
    assert (nothing.exit_code, "there is nothing to check" in nothing.stderr) == (2, True)
    (tmp_path / "broken.json").write_text('{"inputs": [')
    broken = run("check", model, tmp_path / "broken.json")
    assert (broken.exit_code, "broken.json" in broken.stderr) == (1, True)


def test_untrusted_files_are_not_asked(tmp_path):
    import pickle

    from cli.planted_payloads import Touch

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Touch(tmp_path / "mark")))
    done = run("check", tmp_path / "model.pkl", request(tmp_path / "r.json"))
    assert done.exit_code == 1
    assert "do not use this file" in done.stderr
    assert not (tmp_path / "mark").exists()


def test_a_server_is_asked_like_a_file(run_server, tmp_path):
    model = net(tmp_path / "net.onnx")
    server = run_server(model).wait_ready()
    kept = tmp_path / "kept.json"
    done = run("record", server.url, request(tmp_path / "r.json"), "--out", kept)
    assert done.exit_code == 0, done.output
    assert run("check", f"{server.url}/models/net", kept).exit_code == 0
    assert run("check", model, kept).exit_code == 0
    other = run("check", net(tmp_path / "other.onnx", 3.0), kept)
    assert other.exit_code == 1
    document = json.loads(kept.read_text())
    document["outputs"][0]["data"][2] = 7.0
    kept.write_text(json.dumps(document))
    changed = run("check", server.url, kept, "--model", "net")
    assert changed.exit_code == 1
    assert "output 'y' at [0, 2]: expected 7.0, got 0.2" in changed.stdout
    gone = run("check", f"{server.url}/models/nothing", kept)
    assert (gone.exit_code, "nothing" in gone.stderr) == (1, True)
