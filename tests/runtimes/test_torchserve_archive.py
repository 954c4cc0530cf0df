"""TorchServe's archives."""

import io
import json
import zipfile

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from modelport.core.errors import InvalidModelError
from modelport.core.meaning import Image, Probabilities
from modelport.core.runtime import LoadSpec
from modelport.runtimes import catalog


class Net(torch.nn.Module):
    """Pictures to two scores."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 2, 7, stride=32)

    def forward(self, pictures):
        return self.conv(pictures).mean((2, 3))


@pytest.fixture(scope="module")
def program():
    """The network as a TorchScript archive, and a batch with its scores."""
    torch.manual_seed(0)
    net, rows = Net().eval(), torch.rand(2, 3, 224, 224)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript's age
        traced = torch.jit.trace(net, rows)
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer)
    with torch.inference_mode():
        return buffer.getvalue(), rows.numpy(), net(rows).numpy()


def archive(path, files, **model):
    manifest = {
        "createdOn": "now",
        "runtime": "python",
        "model": {"modelName": "net", **model},
        "archiverVersion": "0.12",
    }
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        for name, content in files.items():
            made.writestr(name, content)
    return path


def test_a_classifier_of_pictures(program, tmp_path):
    content, rows, scores = program
    names = json.dumps({"0": ["n01", "cat"], "1": ["n02", "cat"]})
    files = {"net.pt": content, "index_to_name.json": names}
    path = archive(tmp_path / "a.mar", files, serializedFile="net.pt", handler="image_classifier", modelVersion="1.0")
    assert catalog.detect(path) == "torchserve"
    loaded = catalog.load(path, LoadSpec(threads=1))
    [spec] = loaded.signature.inputs
    assert isinstance(spec.meaning, Image)
    assert (spec.meaning.height, spec.meaning.fit) == (224, "crop")
    assert loaded.signature.outputs[0].meaning == Probabilities(("cat (0)", "cat (1)"), 5)
    [given] = loaded.predict({spec.name: rows}).values()
    assert np.allclose(given, scores, rtol=1e-5, atol=1e-6)
    assert loaded.info.format == "torchserve"
    assert loaded.info.properties["archive"] == "net 1.0"
    loaded.close()


def test_a_base_handler_says_nothing_of_pictures(program, tmp_path):
    content, rows, _ = program
    path = archive(tmp_path / "a.mar", {"net.pt": content}, serializedFile="net.pt", handler="base_handler")
    loaded = catalog.load(path, LoadSpec(threads=1))
    assert loaded.signature.inputs[0].meaning is None
    assert loaded.predict({loaded.signature.inputs[0].name: rows})


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            {"serializedFile": "net.pt", "handler": "my_handler.py:handle"},
            "is served by 'my_handler', which is code of its own",
        ),
        ({"serializedFile": "other.pt", "handler": "base_handler"}, "lacks the file 'other.pt'"),
        ({"serializedFile": "../net.pt", "handler": "base_handler"}, "outside of the folder"),
        ({"handler": "base_handler"}, "a.mar has no saved model: its manifest lacks 'serializedFile'"),
        ({"serializedFile": "weights.npy", "handler": "base_handler"}, "weights.npy"),
    ],
)
def test_archives_that_are_refused(program, tmp_path, model, says):
    path = archive(tmp_path / "a.mar", {"net.pt": program[0], "weights.npy": b"\x93NUMPY"}, **model)
    with pytest.raises(InvalidModelError) as caught:
        catalog.load(path)
    assert says in str(caught.value)


def test_a_damaged_archive(program, tmp_path):
    path = archive(tmp_path / "a.mar", {"net.pt": program[0]}, serializedFile="net.pt", handler="base_handler")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidModelError, match="no TorchServe archive, or is cut short"):
        catalog.runtime_for("torchserve").load(path, LoadSpec())
