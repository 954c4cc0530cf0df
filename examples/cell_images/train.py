"""A convolutional network that counts what is enclosed in a picture, as one would count the nuclei of a cell.

    python examples/cell_images/train.py [FOLDER]     (default: examples/cell_images/models)
    modelport serve examples/cell_images/models --trust cells

Needs PyTorch: pip install 'modelport[torch]'. The network is written as an exported program (`cells.pt2`; loading
such a file can run code, hence `--trust`), as TorchScript and, where onnxscript is installed, as ONNX. What a picture
has to be, and what the classes are called, stands in `modelport.toml`. `cell.png` is a picture to try it with.

These are no cells. No medical pictures come with scikit-learn, so its handwritten digits stand in for them: a stroke is
the membrane, and a closed loop in it a nucleus. 8 has two, 0, 6 and 9 have one, the others none; 4 is left out, because
some writers close it. The rest is as with a real microscope: a grey picture of any size comes in, the server brings it
to 16×16 pixels, and what counts is how many of the cells with two nuclei are found, and how many of those are some.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

HERE = Path(__file__).resolve().parent
SIDE = 16
NUCLEI = {0: 1, 1: 0, 2: 0, 3: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}
LABELS = ["no nucleus", "one nucleus", "two nuclei"]
TRAINING_SHARE = 0.75  # the rest is the end of the data set: mostly other people's writing
EPOCHS, BATCH = 25, 64


class Counter(nn.Module):
    """Grey pictures FP32 [n, 1, 16, 16] with ink 0…1 → probabilities [n, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.seeing = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(64, len(LABELS)),
        )

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.seeing(picture), 1)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # small matrices: a second thread gains nothing
    pictures, classes = cells()
    border = int(len(pictures) * TRAINING_SHARE)
    network = train(pictures[:border], classes[:border])
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    export(network, folder)
    unseen = pictures[border:][classes[border:] == 2]
    Image.fromarray(unseen[0]).save(folder / "cell.png")  # one to try it with
    print(f"cells: {summary(network, pictures[border:], classes[border:])}")


def cells() -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures [n, 16, 16] UINT8, light on dark, and how many nuclei each has."""
    data = load_digits()
    used = np.isin(data.target, list(NUCLEI))
    grey = np.minimum(data.images[used] * 16, 255).astype(np.uint8)
    larger = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for one in grey]
    return np.stack(larger), np.array([NUCLEI[digit] for digit in data.target[used]])


def tensor(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures[:, None].astype(np.float32) / np.float32(255))


def train(pictures: np.ndarray, classes: np.ndarray) -> Counter:
    torch.manual_seed(0)
    network, rows, wanted = Counter(), tensor(pictures), torch.from_numpy(classes)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    shares = np.bincount(classes) / len(classes)
    loss = nn.CrossEntropyLoss(torch.tensor(1 / shares, dtype=torch.float32))  # a rare class counts for as much
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(rows)).split(BATCH):
            down, right = torch.randint(-1, 2, (2,)).tolist()  # a cell may lie a pixel off
            optimiser.zero_grad()
            loss(network.seeing(rows[chosen].roll((down, right), (2, 3))), wanted[chosen]).backward()
            optimiser.step()
    return network.eval()


def export(network: Counter, folder: Path) -> None:
    """Write the network in every format."""
    example, rows = torch.zeros(2, 1, SIDE, SIDE), {0: torch.export.Dim("rows")}
    with warnings.catch_warnings():
        # TorchScript is on its way out and used everywhere; the other formats warn of PyTorch's own parts
        warnings.simplefilter("ignore")
        program = torch.export.export(network, (example,), dynamic_shapes=(rows,))
        torch.export.save(program, folder / "cells.pt2")
        torch.jit.save(torch.jit.script(network), folder / "cells-torchscript.pt")
        if importlib.util.find_spec("onnxscript"):
            _write_onnx(program, folder / "cells-onnx.onnx")
        else:
            print("cells-onnx: needs onnxscript, which is not installed: pip install onnxscript")


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of torchvision, which is not needed
    made = torch.onnx.export(program, input_names=["picture"], output_names=["probabilities"], verbose=False)
    assert made is not None
    made.save(path)


def summary(network: Counter, pictures: np.ndarray, classes: np.ndarray) -> str:
    with torch.no_grad():
        told = network(tensor(pictures)).argmax(1).numpy()
    two = classes == 2
    return (
        f"picture of a cell → number of nuclei; held-out accuracy {np.mean(told == classes):.3f}; of those with two "
        f"nuclei {np.mean(told[two] == 2):.0%} are found, and {np.mean(two[told == 2]):.0%} of the findings are right "
        f"({len(classes)} pictures)"
    )


if __name__ == "__main__":
    main()
