"""The picture classifier: a PNG in, probabilities out, with the bits of PyTorch from each of its formats."""

from __future__ import annotations

import importlib.util
import io
import warnings

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from example_programs import ask, figure, predict, program, train
from running import Running

has_onnxscript = importlib.util.find_spec("onnxscript") is not None
MODELS = [
    "cells",
    "cells-torchscript",
    pytest.param("cells-onnx", marks=pytest.mark.skipif(not has_onnxscript, reason="needs onnxscript")),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell_images")
    return folder, train("cell_images", folder)


@pytest.fixture(scope="module")
def server(trained):
    running = Running(trained[0], "--trust", "cells").wait_ready(120)
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(scope="module")
def held_out():
    """Pictures that were held out and how many nuclei they have."""
    made = program("cell_images")
    pictures, classes = made.cells()
    border = int(len(pictures) * made.TRAINING_SHARE)
    return pictures[border:], classes[border:], made.LABELS


def direct(folder, model, pictures):
    """What the framework gives when it is called directly."""
    if model == "cells-onnx":
        session = onnxruntime.InferenceSession(folder / "cells-onnx.onnx")
        return session.run(None, {"picture": pictures})[0]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch's own, of what it is going to change
        if model == "cells":
            loaded = torch.export.load(folder / "cells.pt2").module()
        else:
            loaded = torch.jit.load(folder / f"{model}.pt")
        return loaded(torch.from_numpy(pictures)).numpy()


@pytest.mark.parametrize("model", MODELS)
def test_served_answers_are_the_frameworks(server, trained, held_out, model):
    tensor = held_out[0][:16, None].astype(np.float32) / np.float32(255)
    given = ask(server.url, model, {"picture": tensor})
    np.testing.assert_allclose(given["probabilities"], direct(trained[0], model, tensor), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_it_counts_in_picture_files_as_well_as_claimed(server, trained, held_out, model):
    pictures, classes, labels = held_out
    right = []
    for picture, nuclei in zip(pictures[::8], classes[::8], strict=True):
        [answer] = predict(server.url, model, png(picture), "image/png")
        scores = answer["probabilities"]
        assert list(scores) == labels
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
        right.append(max(scores, key=scores.get) == labels[nuclei])
    assert np.mean(right) > 0.85
    assert figure(trained[1], "cells", "accuracy ") > 0.92


def test_the_picture_to_try_it_with_has_two_nuclei(server, trained, held_out):
    [answer] = predict(server.url, "cells", (trained[0] / "cell.png").read_bytes(), "image/png")
    assert answer["probabilities"][held_out[2][2]] > 0.9


def test_a_larger_picture_is_brought_to_size(server, held_out):
    picture, labels = held_out[0][held_out[1] == 2][0], held_out[2]
    larger = np.asarray(Image.fromarray(picture).resize((320, 320), Image.Resampling.BILINEAR))
    [answer] = predict(server.url, "cells-torchscript", png(larger), "image/png")
    assert max(answer["probabilities"], key=answer["probabilities"].get) == labels[2]


def test_a_program_is_refused_unless_it_is_trusted(trained, run_server):
    refused = run_server(trained[0] / "cells.pt2")
    refused.wait_said("--trust cells")


def png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
