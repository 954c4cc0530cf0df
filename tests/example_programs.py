"""The programs under `examples/`: run as their users run them, and asked over REST and gRPC."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton

from modelport.core.datatypes import BYTES, DTYPES
from modelport.core.errors import MissingExtraError
from modelport.runtimes.catalog import load, runtime_for

EXAMPLES = Path(__file__).parents[1] / "examples"
_QUIET = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}

Arrays = dict[str, np.ndarray]


def train(name: str, folder: Path) -> str:
    """Run `examples/<name>/train.py FOLDER` as a process of its own; what it printed."""
    command = [sys.executable, EXAMPLES / name / "train.py", folder]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=240, env={**os.environ, **_QUIET}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(format_: str, file: Path | None = None) -> None:
    """Skip the test where the format's framework is not installed, or lacks what it needs to load the file."""
    try:
        runtime_for(format_)
        if file is not None:
            load(file).close()
    except MissingExtraError as error:
        pytest.skip(str(error))


def program(name: str, file: str = "train") -> ModuleType:
    """The program as a module, for its data and for fitting again what it fitted."""
    folder = EXAMPLES / name
    spec = importlib.util.spec_from_file_location(f"example_{name}_{file}", folder / f"{file}.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look there
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(made)
    finally:
        sys.path.remove(str(folder))
    return made


def figure(printed: str, name: str, before: str) -> float:
    """The number that stands behind the words `before` in what was printed about a model; 90% is 0.9."""
    line = next(line for line in printed.splitlines() if line.startswith(f"{name}:"))
    word = line.split(before, 1)[1].split()[0].rstrip(",;")
    return float(word[:-1]) / 100 if word.endswith("%") else float(word)


def predict(url: str, model: str, body: Any, kind: str = "application/json") -> list[dict[str, Any]]:
    """Plain prediction: the rows of the answer."""
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = httpx.post(f"{url}/models/{model}/predict", headers={"Content-Type": kind}, timeout=60, **given)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def ask(url: str, model: str, inputs: Arrays) -> Arrays:
    """Open Inference Protocol: the outputs, after REST and gRPC gave the same bits."""
    by_rest, by_grpc = ask_rest(url, model, inputs), ask_grpc(url, model, inputs)
    assert by_rest.keys() == by_grpc.keys()
    for name, array in by_rest.items():
        np.testing.assert_array_equal(array, by_grpc[name])
    return by_grpc


def ask_rest(url: str, model: str, inputs: Arrays) -> Arrays:
    tensors = [
        {"name": name, "shape": array.shape, "datatype": _datatype(array), "data": _plain(array)}
        for name, array in inputs.items()
    ]
    answer = httpx.post(f"{url}/v2/models/{model}/infer", json={"inputs": tensors}, timeout=60)
    assert answer.status_code == 200, answer.text
    return {item["name"]: _array(item) for item in answer.json()["outputs"]}


def ask_grpc(url: str, model: str, inputs: Arrays) -> Arrays:
    tensors = []
    for name, array in inputs.items():
        tensors.append(triton.InferInput(name, array.shape, _datatype(array)))
        tensors[-1].set_data_from_numpy(array)
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        result = client.infer(model, tensors, client_timeout=60)
        return {item.name: result.as_numpy(item.name) for item in result.get_response().outputs}


def texts(values: Any) -> np.ndarray:
    """Texts as a BYTES tensor."""
    return np.array([value.encode() for value in values], object)


def words(array: np.ndarray) -> np.ndarray:
    """A BYTES tensor's texts."""
    return np.array([value.decode() for value in array.ravel()]).reshape(array.shape)


def _datatype(array: np.ndarray) -> str:
    return BYTES if array.dtype == object else next(name for name, dtype in DTYPES.items() if dtype == array.dtype)


def _plain(array: np.ndarray) -> list[Any]:
    return [value.decode() for value in array.ravel()] if array.dtype == object else array.ravel().tolist()


def _array(item: dict[str, Any]) -> np.ndarray:
    if item["datatype"] == BYTES:
        return texts(item["data"]).reshape(item["shape"])
    return np.array(item["data"], DTYPES[item["datatype"]]).reshape(item["shape"])
