"""The runtime contract, on networks of PyTorch in each of the forms that they are saved in."""

import sys
import types

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
safetensors_torch = pytest.importorskip("safetensors.torch")

from torch_models import (  # noqa: E402 - after it is known that PyTorch is there
    CODE,
    Answer,
    Answering,
    Digits,
    ToDict,
    direct,
    exported,
    rows,
    script_loaded,
    scripted,
    traced,
    trained,
)

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.catalog import detect, runtime_for  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402

PIXELS = LoadSpec(threads=1, inputs=(DeclaredTensor("pixels", "FP32", (-1, 64)),))
CASES = {}


def case(suffix):
    def keep(function):
        CASES[function.__name__] = (function, suffix)
        return function

    return keep


def declared(*tensors):
    return LoadSpec(threads=1, inputs=tuple(DeclaredTensor(*tensor) for tensor in tensors))


@case(".pt")
def torchscript_traced(path):
    traced(trained(), path, torch.from_numpy(rows(2)))
    return ModelCase(path, {"pixels": rows()}, direct(script_loaded(path), rows()))


@case(".pt")
def torchscript_scripted(path):
    scripted(ToDict(trained()), path)
    return ModelCase(path, {"pixels": rows()}, direct(script_loaded(path), rows()), PIXELS)


@case(".pt2")
def exported_program(path):
    exported(Answering(trained(), "tuple"), path, torch.from_numpy(rows(3)))
    return ModelCase(path, {"pixels": rows()}, direct(torch.export.load(str(path)).module(), rows()))


@case(".pt2")
def exported_with_names(path):
    exported(Answering(trained(), "dict"), path, torch.from_numpy(rows(3)))
    return ModelCase(path, {"pixels": rows()}, direct(torch.export.load(str(path)).module(), rows()))


@case("")
def safetensors_folder(path):
    path.mkdir()
    (path / "model.py").write_text(CODE)
    safetensors_torch.save_file(trained().state_dict(), path / "weights.safetensors")
    return ModelCase(path, {"pixels": rows()}, direct(trained(), rows()), PIXELS)


@case(".safetensors")
def safetensors_file(path):
    path.with_suffix(".py").write_text(CODE)
    path.with_name("garbage.py").write_text(CODE)
    safetensors_torch.save_file(trained().state_dict(), path)
    return ModelCase(path, {"pixels": rows()}, direct(trained(), rows()), PIXELS)


@case(".pth")
def state_dict_with_module(path):
    path.with_name("model.py").write_text(CODE)
    torch.save({"state_dict": trained().state_dict(), "epoch": 60}, path)
    return ModelCase(path, {"pixels": rows()}, direct(trained(), rows()), PIXELS)


@case(".pt")
def pickled_network(path):
    """Saved by a module that is not here any more but beside the file."""
    module = types.ModuleType("left_the_building")
    exec(CODE, module.__dict__)
    sys.modules[module.__name__] = module
    module.Digits.__module__ = module.__name__
    try:
        network = module.Digits()
        network.load_state_dict(trained().state_dict())
        torch.save(network, path)
    finally:
        del sys.modules[module.__name__]
    path.with_name("model.py").write_text(CODE)
    return ModelCase(path, {"pixels": rows()}, direct(trained(), rows()), PIXELS)


@case(".pt")
def pickled_in_the_old_way(path):
    torch.save(Answering(trained(), "named"), path, _use_new_zipfile_serialization=False)
    digit, probabilities = direct(Answering(trained(), "named"), rows()).values()
    return ModelCase(path, {"pixels": rows()}, {"digit": digit, "probabilities": probabilities}, PIXELS)


class Echo(torch.nn.Module):
    """Gives its input itself, a view of it, its own weight, and a value of another type."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(3.0))

    def forward(self, x, s):
        return x, x.view(-1), self.weight, s


@case(".pt")
def memory_that_is_not_its_own(path):
    scripted(Echo(), path)
    x, s = np.arange(6, dtype=np.float32).reshape(2, 3), np.array(True)
    expected = {"output_0": x, "output_1": x.ravel(), "output_2": np.arange(3, dtype=np.float32), "output_3": s}
    return ModelCase(path, {"x": x, "s": s}, expected, declared(("x", "FP32", (-1, 3)), ("s", "BOOL", ())))


class Scribbler(torch.nn.Module):
    def forward(self, x):
        x += 1
        return x * 2


@case(".pt")
def script_that_writes_to_its_input(path):
    scripted(Scribbler(), path)
    x = np.arange(6, dtype=np.int64).reshape(3, 2)
    return ModelCase(path, {"x": x}, {"output_0": (x + 1) * 2}, declared(("x", "INT64", (-1, 2))))


@case(".pt2")
def program_that_writes_to_its_input(path):
    exported(Scribbler(), path, torch.ones(3, 2))
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    return ModelCase(path, {"x": x}, {"output_0": (x + 1) * 2})


@case(".pt")
def pickle_that_writes_to_its_input(path):
    torch.save(Scribbler(), path)
    x = np.arange(6, dtype=np.float16).reshape(3, 2)
    return ModelCase(path, {"x": x}, {"output_0": (x + 1) * 2}, declared(("x", "FP16", (-1, 2))))


class Lookup(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(5, 2)
        torch.nn.init.ones_(self.table.weight)

    def forward(self, ids):
        return self.table(ids)


@case(".pt2")
def indices_out_of_range(path):
    exported(Lookup().eval(), path, torch.zeros(3, dtype=torch.int64))
    refused = ({"ids": np.array([0, 5])}, {"ids": np.array([-1])})
    return ModelCase(path, {"ids": np.array([4, 0])}, {"output_0": np.ones((2, 2), np.float32)}, refused=refused)


class Texts(torch.nn.Module):
    def forward(self, texts: list[str]) -> dict[str, list[str]]:
        return {"loud": [text.upper() for text in texts]}


@case(".pt")
def texts_in_and_out(path):
    scripted(Texts(), path)
    texts = np.array([b"a", "zwölf".encode(), b""], object)
    loud = np.array([b"A", "ZWöLF".encode(), b""], object)
    return ModelCase(path, {"texts": texts}, {"loud": loud}, refused=({"texts": np.array([b"\xff"], object)},))


class Passing(torch.nn.Module):
    def forward(self, x, s):
        return torch.cat([x, x], 1), s.clone()


DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def passing(datatype, path):
    scripted(Passing(), path)
    bits = np.random.default_rng(3).integers(0, 2 if datatype == "BOOL" else 256, 48, np.uint8)
    size = np.dtype(DATATYPES[datatype]).itemsize
    x = bits[: 6 * size].view(DATATYPES[datatype]).reshape(2, 3)  # every pattern of bits, NaN among them
    s = x[0, 0].copy()
    expected = {"output_0": np.concatenate([x, x], 1), "output_1": np.asarray(s)}
    spec = declared(("x", datatype, (-1, 3)), ("s", datatype, ()))
    return ModelCase(path, {"x": x, "s": np.asarray(s)}, expected, spec)


for _datatype in DATATYPES:
    CASES[f"all_bits_of_{_datatype}"] = (lambda path, datatype=_datatype: passing(datatype, path), ".pt")


class TestTorch(RuntimeContract):
    @pytest.fixture(params=CASES)
    def case(self, request, tmp_path):
        make, suffix = CASES[request.param]
        (tmp_path / "models").mkdir()
        return make(tmp_path / "models" / f"{request.param}{suffix}")

    @pytest.fixture
    def runtime(self, case):
        return runtime_for(detect(case.path))


def test_the_classes_of_these_tests_can_be_pickled():
    assert Answer.__module__ == Digits.__module__ == "torch_models"
