"""The runtime port: what loads an artifact of one format, and what predicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from modelport.core.datatypes import Array
from modelport.core.signature import Signature


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How to load: threads for one prediction (0: as many as the CPU quota allows), device, options by name."""

    threads: int = 0
    device: str = "cpu"
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model says about itself. `platform` is the Open Inference Protocol's word, e.g. `onnx_onnxv1`."""

    format: str
    platform: str
    framework: str
    properties: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class LoadedModel(Protocol):
    """A model in memory. `predict` may be called from several threads at once."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives; does not change."""

    @property
    def info(self) -> ModelInfo:
        """Its format and framework, for people."""

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model on arrays that fit its signature.

        Gives the named outputs, in that order (None: all of them), as C-contiguous arrays of the signature's dtypes.
        Raises InvalidInputError where the values are at fault, ModelFailedError where the model is.
        """

    def close(self) -> None:
        """Give back what it holds. Nothing is called afterwards."""


@runtime_checkable
class Runtime(Protocol):
    """Loads artifacts of one format."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the artifact at `path`. Raises InvalidModelError saying what is wrong with the file."""
