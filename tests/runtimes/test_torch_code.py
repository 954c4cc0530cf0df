"""Weights with the Python module that they belong to, and pickles of whole networks."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
save_file = pytest.importorskip("safetensors.torch").save_file

from torch_models import CODE, direct, rows, trained  # noqa: E402

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.catalog import detect, load, runtime_for  # noqa: E402
from modelport.testing.runtime_contract import assert_same  # noqa: E402

PIXELS = (DeclaredTensor("pixels", "FP32", (-1, 64)),)
TWO = CODE + "\n\nclass Other(torch.nn.Module):\n    pass\n\n\ndef wide():\n    return Digits(width=8)\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "digits"
    made.mkdir()
    (made / "model.py").write_text(CODE)
    save_file(trained().state_dict(), made / "model.safetensors")
    return made


def opened(path, form="safetensors", inputs=PIXELS, **options):
    return runtime_for(form).load(path, LoadSpec(threads=1, inputs=inputs, options=options))


def refusal(path, form="safetensors", kind=InvalidModelError, **options):
    with pytest.raises(kind) as caught:
        opened(path, form, **options)
    return str(caught.value)


def test_a_folder_of_code_and_weights(folder):
    assert detect(folder) == "safetensors"
    assert_same(opened(folder).predict({"pixels": rows()}), direct(trained(), rows()))
    assert opened(folder).info.properties["class"] == "Digits"


def test_weights_in_several_files(folder):
    (folder / "model.safetensors").unlink()
    state = trained().state_dict()
    for name, weight in state.items():
        save_file({name: weight}, folder / f"{name}.safetensors")
    assert_same(opened(folder).predict({"pixels": rows()}), direct(trained(), rows()))
    save_file({"score.bias": state["score.bias"]}, folder / "z.safetensors")
    says = refusal(folder)
    assert says == "z.safetensors has the weight 'score.bias', which another file beside it has too"


@pytest.mark.parametrize(
    "options", [{"class": "Digits"}, {"class": "wide"}, {"class": "Digits", "arguments": '{"width": 8}'}]
)
def test_the_class_by_name(folder, options):
    (folder / "model.py").write_text(TWO)
    assert_same(opened(folder, **options).predict({"pixels": rows()}), direct(trained(), rows()))


def test_another_module(folder):
    (folder / "model.py").rename(folder / "net.py")
    for named in ("net", "net.py"):
        assert opened(folder, module=named).signature.outputs[0].shape == (-1, 10)
    assert "names other.py, which is not beside it" in refusal(folder, module="other")
    assert "in the model's own folder" in refusal(folder, kind=InvalidInputError, module="../net.py")


ONE = "must have one class of torch.nn.Module, or one that is called Model, but has "
MISFITS = [
    (TWO, {}, InvalidModelError, f"model.py {ONE}Digits, Other: name it in"),
    ("x = 1", {}, InvalidModelError, f"model.py {ONE}none: name it in"),
    (CODE, {"class": "Digit"}, InvalidInputError, "option 'class': model.py has no 'Digit' (did you mean 'Digits'?)"),
    (TWO, {"class": "Other"}, InvalidModelError, "not those of Other: it lacks nothing; it has look.bias, look.weight"),
    (CODE, {"arguments": '{"width": 9}'}, InvalidModelError, "its weights do not fit Digits"),
    (CODE, {"arguments": '{"depth": 9}'}, InvalidModelError, "Digits(depth) raised TypeError"),
    (CODE, {"arguments": "{"}, InvalidInputError, "option 'arguments' is not JSON"),
    (CODE, {"arguments": "[]"}, InvalidInputError, "option 'arguments' must be a JSON object"),
    (CODE, {"clas": "Digits"}, InvalidInputError, "unknown option 'clas' (did you mean 'class'?)"),
    ("import no_such", {}, InvalidModelError, "model.py can't be run: ModuleNotFoundError: No module named 'no_such'"),
    ("def", {}, InvalidModelError, "model.py can't be run: SyntaxError"),
    ("def make(): return 3", {"class": "make"}, InvalidModelError, "make gives a int, not a torch.nn.Module"),
]


@pytest.mark.parametrize(("code", "options", "kind", "why"), MISFITS)
def test_code_that_does_not_fit(folder, code, options, kind, why):
    (folder / "model.py").write_text(code)
    assert why in refusal(folder, kind=kind, **options)


def test_code_of_several_files(folder):
    (folder / "parts.py").write_text(CODE)
    (folder / "model.py").write_text("from parts import Digits\n\n\nclass Model(Digits):\n    pass\n")
    try:
        assert_same(opened(folder).predict({"pixels": rows()}), direct(trained(), rows()))
    finally:
        sys.modules.pop("parts", None)
    assert str(folder) not in sys.path


def test_an_example_in_the_class(folder):
    text = CODE + "\n    @property\n    def example_input_array(self):\n        return torch.zeros(1, 64)\n"
    (folder / "model.py").write_text(text)
    assert opened(folder, inputs=()).signature.inputs[0].describe() == "pixels FP32 [-1, 64]"


TIED = """import torch


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(2, 2, bias=False)
        self.second = torch.nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight

    def forward(self, *tensors):
        a, b = tensors
        return self.second(self.first(a)) + b
"""


def test_tied_weights_and_arguments_without_names(folder):
    (folder / "model.py").write_text(TIED)
    save_file({"first.weight": torch.eye(2) * 3}, folder / "model.safetensors")
    inputs = (DeclaredTensor("a", "FP32", (-1, 2)), DeclaredTensor("b", "FP32", (-1, 2)))
    model = opened(folder, inputs=inputs)
    given = model.predict({"b": np.ones((1, 2), np.float32), "a": np.ones((1, 2), np.float32)})
    assert given["output_0"].tolist() == [[10, 10]]
    assert "does not name its inputs" in refusal_without_inputs(folder)


def refusal_without_inputs(folder):
    with pytest.raises(InvalidModelError) as caught:
        opened(folder, inputs=())
    return str(caught.value)


def test_weights_alone(tmp_path):
    file = tmp_path / "digits.safetensors"
    save_file(trained().state_dict(), file)
    assert refusal(file).startswith("digits.safetensors holds weights without the network that they belong to: put the")
    torch.save(trained().state_dict(), tmp_path / "digits.pt")
    says = refusal(tmp_path / "digits.pt", "pytorch")
    assert says.startswith("digits.pt holds weights (a state_dict) without the network that they belong to")
    assert "as digits.py, or export it with torch.export.save" in says


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"lr": 1}, "digits.pt holds a dictionary without weights, not a network"),
        ([1, 2], "digits.pt holds a list, not a network: save a torch.nn.Module or its state_dict()"),
        (torch.ones(3), "digits.pt holds a Tensor, not a network"),
    ],
)
def test_files_that_hold_no_network(tmp_path, content, says):
    torch.save(content, tmp_path / "digits.pt")
    assert refusal(tmp_path / "digits.pt", "pytorch").startswith(says)


def test_a_pickle_whose_class_is_not_here(tmp_path, monkeypatch):
    class Gone(torch.nn.Module):
        pass

    Gone.__qualname__, Gone.__module__ = "Gone", "elsewhere"
    monkeypatch.setitem(sys.modules, "elsewhere", type(sys)("elsewhere"))
    sys.modules["elsewhere"].Gone = Gone
    torch.save(Gone(), tmp_path / "net.pt")
    monkeypatch.delitem(sys.modules, "elsewhere")
    says = refusal(tmp_path / "net.pt", "pytorch")
    assert says.startswith("net.pt is a pickled network whose class is not here (the module elsewhere): put the Python")


def test_a_pickle_whose_class_a_script_defined(tmp_path):
    script = CODE + "\ntorch.save(Digits(), 'net.pt')\n"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=120)
    says = refusal(tmp_path / "net.pt", "pytorch")
    assert "whose class is not here (Digits, which the script defined that saved it)" in says
    (tmp_path / "net.py").write_text(CODE)
    assert opened(tmp_path / "net.pt", "pytorch").info.properties["class"] == "Digits"


def test_a_plain_pickle_is_no_network(tmp_path):
    (tmp_path / "net.pt").write_bytes(pickle.dumps({"a": object}))
    assert refusal(tmp_path / "net.pt", "pytorch") == "net.pt is a plain pickle, which torch.save did not write"


def test_a_network_that_fails_is_not_the_callers_fault(tmp_path):
    (tmp_path / "model.py").write_text(
        CODE.replace("return self.score", "assert pixels.sum() < 1e9; return self.score")
    )
    torch.save(trained().state_dict(), tmp_path / "net.pt")
    model = load(tmp_path / "net.pt", LoadSpec(threads=1, inputs=PIXELS))
    with pytest.raises(Exception, match="the model failed: AssertionError") as caught:
        model.predict({"pixels": np.full((1, 64), 1e9, np.float32)})
    assert caught.type.__name__ == "ModelFailedError"


def test_a_framework_that_is_not_installed(monkeypatch):
    for name in [
        name for name in sys.modules if name.startswith(("modelport.runtimes.torch", "modelport.runtimes.safe"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    for form in ("torchscript", "torch_export", "pytorch", "safetensors"):
        with pytest.raises(MissingExtraError, match=r"pip install 'modelport\[torch\]'"):
            runtime_for(form)
