"""The server of the benchmarks of rollouts: it follows a registry, with two versions of a model in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from load import BenchmarkError
from servers import end, free_port
from subject import Subject

from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.records import By
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed

BENCH = By("bench")
MODEL = "m"


@contextmanager
def followed(folder: Path, files: tuple[Path, Path], core: int) -> Iterator[tuple[SqlRegistry, Subject]]:
    """A registry whose model has these files as versions 1, which is in production, and 2; and its server."""
    home = folder / "home"
    registry = open_registry(RegistrySettings(str(home)))
    for number, file in enumerate(files, 1):
        push_packed(registry, MODEL, pack(file, (), Inspected("onnx"), Said(f"version {number}")), BENCH)
    registry.promote(MODEL, 1, BENCH)
    subject = Subject(Path(f"--home={home}"), folder, free_port(), prefix=["taskset", "-c", str(core)])
    try:
        subject.wait_ready()
        yield registry, subject
    finally:
        end(subject.process)
        registry.close()


def wait(true: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Until something is true; gives how long that took. Raises BenchmarkError."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if true():
            return time.monotonic() - begun
        time.sleep(0.005)
    raise BenchmarkError(f"{what} did not come about in {seconds:g} s")
