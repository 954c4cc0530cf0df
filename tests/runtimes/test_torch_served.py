"""Models of PyTorch and OpenVINO in one folder, through REST and gRPC: the bits that the framework gives."""

import httpx
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("sklearn")
save_file = pytest.importorskip("safetensors.torch").save_file
triton = pytest.importorskip("tritonclient.grpc")

import openvino_models  # noqa: E402
from torch_models import CODE, Answering, ToDict, direct, exported, rows, script_loaded, scripted, traced, trained  # noqa: E402

PIXELS = """[MODEL.inputs.pixels]
datatype = "FP32"
shape = [-1, 64]
"""
#: Formats whose files can run code; they are loaded in processes of their own.
TRUSTED = ("exported", "folder", "weights", "whole")


def make_models(folder):
    """Files of all formats side by side; gives what each answers, its framework being called directly."""
    expected = {}
    traced(trained(), folder / "traced.pt", torch.from_numpy(rows(2)))
    expected["traced"] = direct(script_loaded(folder / "traced.pt"), rows())
    scripted(ToDict(trained()), folder / "scripted.pt")
    expected["scripted"] = direct(script_loaded(folder / "scripted.pt"), rows())
    exported(Answering(trained(), "dict"), folder / "exported.pt2", torch.from_numpy(rows(3)))
    expected["exported"] = direct(torch.export.load(str(folder / "exported.pt2")).module(), rows())
    (folder / "folder").mkdir()
    (folder / "folder" / "model.py").write_text(CODE)
    save_file(trained().state_dict(), folder / "folder" / "digits.safetensors")
    (folder / "weights.py").write_text(CODE)
    torch.save(trained().state_dict(), folder / "weights.pt")
    whole = torch.nn.Sequential(torch.nn.Linear(64, 3), torch.nn.ReLU())
    torch.save(whole, folder / "whole.pth")
    expected |= {"folder": direct(trained(), rows()), "weights": direct(trained(), rows())}
    expected["whole"] = direct(whole, rows())
    openvino_models.digits_ir(folder / "ir.xml")
    openvino_models.digits_onnx(folder / "onnx_there.onnx")
    for name, file in (("ir", "ir.xml"), ("onnx_there", "onnx_there.onnx")):
        expected[name] = openvino_models.direct(folder / file, {"pixels": rows()})
    return expected


def settings():
    tables = [PIXELS.replace("MODEL", f"models.{name}") for name in ("scripted", "folder", "weights")]
    whole = PIXELS.replace("MODEL", "models.whole").replace("pixels", "input")
    return "".join([*tables, whole, '[models.onnx_there.runtime]\noptions = {engine = "openvino"}\n'])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from running import Running

    folder = tmp_path_factory.mktemp("all_of_torch")
    expected = make_models(folder)
    (folder / "modelport.toml").write_text(settings())
    running = Running(folder, "--trust", ",".join(TRUSTED), env={"MODELPORT_MODEL_THREADS": "1"})
    yield running.wait_ready(120), expected
    assert running.stop() == 0, running.output


NAMES = ("traced", "scripted", "exported", "folder", "weights", "whole", "ir", "onnx_there")


@pytest.mark.parametrize("model", NAMES)
def test_rest(served, model):
    running, expected = served
    name = "input" if model == "whole" else "pixels"
    tensor = {"name": name, "shape": [7, 64], "datatype": "FP32", "data": rows().ravel().tolist()}
    answer = httpx.post(f"{running.url}/v2/models/{model}/infer", json={"inputs": [tensor]}, timeout=30)
    assert answer.status_code == 200, answer.text
    given = {item["name"]: item for item in answer.json()["outputs"]}
    assert list(given) == list(expected[model])
    for name, array in expected[model].items():
        data = np.array(given[name]["data"], array.dtype).reshape(given[name]["shape"])
        assert (data.shape, data.tobytes()) == (array.shape, array.tobytes()), name


@pytest.mark.parametrize("model", NAMES)
def test_grpc(served, model):
    running, expected = served
    tensor = triton.InferInput("input" if model == "whole" else "pixels", [7, 64], "FP32")
    with triton.InferenceServerClient(f"127.0.0.1:{running.port}") as client:
        answer = client.infer(model, [tensor.set_data_from_numpy(rows())])
    for name, array in expected[model].items():
        data = answer.as_numpy(name)
        assert (data.dtype, data.shape, data.tobytes()) == (array.dtype, array.shape, array.tobytes()), name


def test_a_model_that_lacks_its_inputs_says_what_to_write(run_server, tmp_path):
    scripted(trained(), tmp_path / "digits.pt")
    running = run_server(tmp_path)
    running.wait_said(r"digits\.pt does not say what its input 'pixels' is", 60)
    running.wait_said(r'\[inputs\.pixels\]\s+datatype = "FP32"\s+shape = \[-1, 64\]')
    running.stop()
