"""TorchScript archives and exported programs that are broken, of another version, or do what they may not."""

import contextlib
import io
import json
import logging
import os
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from torch_models import exported, old_torchscript, rows, scripted, trained  # noqa: E402

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError, UnavailableError  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.catalog import detect, entry_for, runtime_for  # noqa: E402
from modelport.runtimes.torch import host as torch_host  # noqa: E402
from modelport.runtimes.torch.torchscript import TorchScriptRuntime  # noqa: E402

PIXELS = (DeclaredTensor("pixels", "FP32", (-1, 64)),)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pt"


def refusal(path, kind=InvalidModelError, **spec):
    with pytest.raises(kind) as caught:
        runtime_for("torch_export" if path.suffix == ".pt2" else "torchscript").load(path, LoadSpec(threads=1, **spec))
    return str(caught.value)


def changed(path, change):
    """The archive with its members changed: `change(name, content)` gives the new content."""
    with zipfile.ZipFile(path) as old:
        members = {item.filename: old.read(item) for item in old.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name, content in members.items():
            new.writestr(name, change(name, content))
    return path


def with_code(path, before, after):
    """The archive with another program."""

    def change(name, content):
        return content.replace(before, after) if name.endswith(".py") else content

    with_text = changed(path, change)
    with zipfile.ZipFile(with_text) as archive:
        texts = [archive.read(name) for name in archive.namelist() if name.endswith(".py")]
    assert any(after in text for text in texts)
    return with_text


def test_formats_by_content(tmp_path, path):
    assert detect(scripted(trained(), path)) == "torchscript"
    assert detect(exported(trained(), tmp_path / "a.zip", torch.ones(2, 64))) == "torch_export"
    torch.save(trained().state_dict(), tmp_path / "new")
    torch.save(trained().state_dict(), tmp_path / "old", _use_new_zipfile_serialization=False)
    assert [detect(tmp_path / name) for name in ("new", "old")] == ["pytorch", "pytorch"]


def test_formats_whose_files_can_run_code():
    runs = {
        form: entry_for(form).runs_code
        for form in ("torchscript", "torch_export", "pytorch", "safetensors", "openvino")
    }
    assert runs == {"torchscript": False, "torch_export": True, "pytorch": True, "safetensors": True, "openvino": False}


class Touch:
    """A pickle of it makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def test_why_an_exported_program_counts_as_code(tmp_path):
    """PyTorch falls back to the full unpickler for the example inputs that a program carries."""
    path = exported(trained(), tmp_path / "net.pt2", torch.ones(2, 64))
    held = io.BytesIO()
    torch.save(((Touch(str(tmp_path / "ran")),), {}), held)
    changed(path, lambda name, content: held.getvalue() if "sample_inputs" in name else content)
    with contextlib.suppress(InvalidModelError):
        runtime_for("torch_export").load(path, LoadSpec(threads=1))
    assert (tmp_path / "ran").exists()


def test_an_archive_without_a_program(path):
    torch.save(trained().state_dict(), path)
    assert refusal(path) == "net.pt is no TorchScript archive: it is a zip archive without a program (code/)"


def test_an_archive_of_a_later_version(path):
    changed(scripted(trained(), path), lambda name, content: b"999\n" if name.endswith("/version") else content)
    says = refusal(path, inputs=PIXELS)
    assert says.startswith("net.pt is a TorchScript archive of version 999; PyTorch")
    assert "reads up to" in says


def test_weights_of_a_later_version(path):
    torch.save(trained().state_dict(), path)
    changed(path, lambda name, content: b"999\n" if name.endswith("/version") else content)
    with pytest.raises(InvalidModelError, match=r"net\.pt is a PyTorch file \(torch\.save\) of version 999; PyTorch"):
        runtime_for("pytorch").load(path, LoadSpec(threads=1))


def test_a_program_of_a_later_version(tmp_path):
    path = exported(trained(), tmp_path / "net.pt2", torch.ones(2, 64))

    def later(name, content):
        if not name.endswith("models/model.json"):
            return content
        document = json.loads(content)
        document["schema_version"]["major"] = 999
        return json.dumps(document).encode()

    says = refusal(changed(path, later))
    assert says.startswith("net.pt2 can't be loaded as an exported program by PyTorch")
    assert "999" in says


def test_other_zip_archives_are_no_programs(tmp_path):
    path = tmp_path / "net.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/archive_format", "pt2")
    assert refusal(path) == "net.pt2 is no exported program (.pt2): it is a zip archive without one"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/aotinductor/model/x.so", b"")
    assert "compiled ahead of time (AOTInductor)" in refusal(path)


class Writing(torch.nn.Module):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, x):
        torch.save(x, self.place)
        return x


class Reading(torch.nn.Module):
    def forward(self, x):
        return torch.from_file("/etc/hostname", False, 4) + x


@pytest.mark.parametrize(("network", "operator"), [(Writing, "save"), (Reading, "from_file")])
def test_programs_that_reach_files(tmp_path, path, network, operator):
    place = tmp_path / "written"
    scripted(network(str(place)) if network is Writing else network(), path)
    says = refusal(path, inputs=(DeclaredTensor("x", "FP32", (-1,)),))
    assert says == f"net.pt was not loaded: its program calls {operator!r}, which reads or writes files"
    assert not place.exists()


class Harmless(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (b"torch.save(x, 'a')", "calls 'save'"),
        (b"torch . save (x, 'a')", "calls 'save'"),
        (b"ops.aten.from_file('a')", "calls 'from_file'"),
        (b"getattr(torch, 'save')(x, 'a')", "calls 'save'"),
        (b"getattr(torch, 's\\x61ve')(x, 'a')", "hides the name"),
        (b"getattr(torch, name)(x, 'a')", "hides the name"),
        (b"ops.image.write_file('a', x)", "calls the operator image::write_file"),
        (b"__torch__.torch.classes.c10d.ProcessGroup(1)", "holds an object of c10d.ProcessGroup"),
    ],
)
def test_other_ways_to_write_such_calls(path, call, why):
    says = refusal(with_code(scripted(Harmless(), path), b"torch.relu(x)", call))
    assert says.startswith("net.pt was not loaded: ")
    assert why in says


def test_programs_of_containers_are_not_refused(path):
    with old_torchscript():
        network = torch.nn.Sequential(torch.nn.Linear(64, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3)).eval()
    scripted(network, path)
    model = TorchScriptRuntime().load(path, LoadSpec(1, inputs=(DeclaredTensor("input", "FP32", (-1, 64)),)))
    assert model.predict({"input": rows(2)})["output_0"].shape == (2, 3)


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:x", "cuda:", "mps:1", ""])
def test_devices_that_do_not_exist(path, device):
    says = refusal(scripted(trained(), path), InvalidInputError, device=device)
    assert says == f"unknown device {device!r}; PyTorch models run on 'cpu', 'cuda', 'cuda:<number>' or 'mps'"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this host has CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_here(path, device):
    assert refusal(scripted(trained(), path), MissingExtraError, device=device).startswith(f"device {device!r} can't")


def test_an_option_that_does_not_exist(path):
    says = refusal(scripted(trained(), path), InvalidInputError, options={"clas": "Net"})
    assert says == "unknown option 'clas'; TorchScript models take no options"


def test_threads_are_shared_by_all_models(path, monkeypatch, caplog):
    before = torch.get_num_threads()
    monkeypatch.setattr(torch_host, "_threads", 0)
    scripted(trained(), path)
    try:
        first = TorchScriptRuntime().load(path, LoadSpec(2, inputs=PIXELS))
        assert torch.get_num_threads() == 2
        with caplog.at_level(logging.WARNING, "modelport.runtimes"):
            second = TorchScriptRuntime().load(path, LoadSpec(1, inputs=PIXELS))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [model.info.properties["threads"] for model in (first, second)] == ["2", "2"]
    assert "PyTorch keeps its 2 threads: they are shared by all models of a process" in caplog.text


def test_a_model_that_was_closed(path):
    model = TorchScriptRuntime().load(scripted(trained(), path), LoadSpec(1, inputs=PIXELS))
    model.close()
    with pytest.raises(UnavailableError, match="closed"):
        model.predict({"pixels": np.zeros((1, 64), np.float32)})
