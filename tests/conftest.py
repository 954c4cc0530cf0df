"""What every test may use: model files that are made once, and real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running import Running
from runtimes import onnx_graphs


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real models: `iris` (a classifier), `diabetes` (a regression), `text`, and `identity_<datatype>`."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "iris.onnx").write_bytes(onnx_graphs.classifier("text", zipmap=False)[0])
    (folder / "diabetes.onnx").write_bytes(onnx_graphs.regressor()[0])
    (folder / "text.onnx").write_bytes(onnx_graphs.text_classifier())
    for element, datatype in onnx_graphs.ELEMENTS.items():
        made = onnx_graphs.identity(element, ("n", "m"))
        (folder / f"identity_{datatype}.onnx").write_bytes(made.SerializeToString())
    return folder


@pytest.fixture(scope="session")
def server(model_folder: Path) -> Iterator[Running]:
    """One server for all tests that leave it as it was."""
    running = Running(model_folder).wait_ready()
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(scope="session")
def serve_models() -> Iterator[Callable[..., str]]:
    """Serves files until the tests end: `serve_models(*files)` gives the URL."""
    started: list[Running] = []

    def start(*files: Path) -> str:
        started.append(Running(*files))
        return started[-1].wait_ready().url

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def run_server() -> Iterator[Callable[..., Running]]:
    """Starts servers of a test's own; what still runs at its end is killed."""
    started: list[Running] = []

    def start(*arguments: str | Path, env: dict[str, str] | None = None) -> Running:
        started.append(Running(*arguments, env=env))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.wait_ended()
