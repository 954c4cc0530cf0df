"""What the parts of the registries' contract suite begin with: an empty registry, and a way to push to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modelport.registry.base import Registry
from modelport.registry.packing import Inspected, Packed, Said, pack
from modelport.registry.records import By, VersionRecord
from modelport.registry.transfers import push_packed

OpenRegistry = Callable[[], Registry]
Push = Callable[..., VersionRecord]
BY = By("ann", "a test")


def packed_file(folder: Path, content: bytes, name: str = "model.bin") -> Packed:
    """A model of one file, as it is pushed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    signature = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}], "outputs": []}
    return pack(folder / name, (), Inspected("onnx", signature=signature), Said("ann", {"accuracy": 0.98}))


class RegistrySuite:
    """Override the fixture `open_registry`."""

    @pytest.fixture
    def open_registry(self) -> OpenRegistry:
        """Opens the registry under test, empty at first, then with what it had; connections close by themselves."""
        raise NotImplementedError("override the fixture `open_registry`")

    @pytest.fixture
    def registry(self, open_registry: OpenRegistry) -> Registry:
        """The registry under test."""
        return open_registry()

    @pytest.fixture
    def push(self, registry: Registry, tmp_path: Path) -> Callable[..., VersionRecord]:
        """Pushes a file of its own: `push("fraud", b"content")`."""

        def pushed(name: str = "fraud", content: bytes = b"one", **words: object) -> VersionRecord:
            return push_packed(registry, name, packed_file(tmp_path / "in", content), BY, **words)  # type: ignore[arg-type]

        return pushed
