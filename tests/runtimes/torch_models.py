"""PyTorch networks for the tests, trained on the digits that come with scikit-learn, and saved in every way."""

import functools
import inspect
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits


@contextmanager
def old_torchscript():
    """TorchScript's functions are deprecated, which is no news to whoever serves old archives."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
        yield


class Digits(torch.nn.Module):
    """A convolution over 8 × 8 pixels, and a score for each digit."""

    def __init__(self, width: int = 8):
        super().__init__()
        self.look = torch.nn.Conv2d(1, width, 3, padding=1)
        self.score = torch.nn.Linear(width * 16, 10)

    def forward(self, pixels):
        seen = torch.nn.functional.max_pool2d(torch.relu(self.look(pixels.view(-1, 1, 8, 8) / 16)), 2)
        return self.score(seen.flatten(1))


class Answer(NamedTuple):
    digit: torch.Tensor
    probabilities: torch.Tensor


class Answering(torch.nn.Module):
    """Digits, with the answer in the form asked for."""

    def __init__(self, digits, form):
        super().__init__()
        self.digits = digits
        self.form = form

    def forward(self, pixels):
        scores = self.digits(pixels)
        digit, probabilities = scores.argmax(1), torch.softmax(scores, 1)
        if self.form == "tuple":
            return digit, probabilities
        if self.form == "named":
            return Answer(digit, probabilities)
        return {"digit": digit, "probabilities": probabilities}


class ToDict(torch.nn.Module):
    """As `Answering` with a dictionary, in the part of Python that TorchScript has."""

    def __init__(self, digits):
        super().__init__()
        self.digits = digits

    def forward(self, pixels):
        scores = self.digits(pixels)
        return {"digit": scores.argmax(1), "probabilities": torch.softmax(scores, 1)}


#: The module beside weights: the class above, in a file of its own.
CODE = "import torch\n\n\n" + inspect.getsource(Digits)


def rows(count=7):
    return load_digits().data[:count].astype("float32")


@functools.cache
def trained():
    """Trained until it reads nearly all of the digits that it saw: a second or two."""
    torch.manual_seed(0)
    images, labels = (torch.from_numpy(item) for item in load_digits(return_X_y=True))
    images, network = images.float(), Digits()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.eval()
    assert (network(images).argmax(1) == labels).float().mean() > 0.9
    return network


def direct(network, *arrays):
    """What the network gives when it is called by itself, on one thread, as arrays."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        given = network(*(torch.from_numpy(array.copy()) for array in arrays))
    if isinstance(given, torch.Tensor):
        return {"output_0": given.numpy()}
    if isinstance(given, dict):
        return {name: item.numpy() for name, item in given.items()}
    return {f"output_{index}": item.numpy() for index, item in enumerate(given)}


def traced(network, path, *examples, extra=None):
    with old_torchscript():
        torch.jit.save(torch.jit.trace(network, examples), str(path), _extra_files=extra or {})
    return path


def scripted(network, path, extra=None):
    with old_torchscript():
        torch.jit.save(torch.jit.script(network), str(path), _extra_files=extra or {})
    return path


def script_loaded(path):
    with old_torchscript():
        return torch.jit.load(str(path)).eval()


def exported(network, path, *examples, shapes=None, extra=None):
    free = {0: torch.export.Dim("rows")}
    shapes = tuple(free for _ in examples) if shapes is None else shapes
    torch.export.save(torch.export.export(network, examples, dynamic_shapes=shapes), str(path), extra_files=extra or {})
    return path
