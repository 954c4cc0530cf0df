"""The runtime port: what loads an artifact of one format, and what predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from modelport.core.datatypes import Array
from modelport.core.deadline import Deadline
from modelport.core.declared import DeclaredTensor
from modelport.core.signature import Signature


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """How to load: threads for one prediction (0: as many as the CPU quota allows), device, options by name.

    `inputs` and `outputs` are what the model's owner declares. A format that says itself what its tensors are does not
    need them; one that does not takes names, order, datatypes and shapes from them.
    """

    threads: int = 0
    device: str = "cpu"
    options: dict[str, str] = field(default_factory=dict)
    inputs: tuple[DeclaredTensor, ...] = ()
    outputs: tuple[DeclaredTensor, ...] = ()


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
class StreamingModel(LoadedModel, Protocol):
    """A model that answers one request with several responses: generated text, say. `predict` gives the last one."""

    def stream(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> Iterator[dict[str, Array]]:
        """The responses one after the other, each like what `predict` gives.

        The iterator is used on one thread, not on the caller's; closing it early ends the work. Raises as `predict`.
        """


@runtime_checkable
class InterruptibleModel(LoadedModel, Protocol):
    """A model whose prediction can be cut short: it runs in a process of its own, say."""

    def predict_until(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, deadline: Deadline | None
    ) -> dict[str, Array]:
        """As `predict`; raises DeadlineExceededError soon after the deadline has passed, whatever the model does."""


@runtime_checkable
class NamedSignatures(LoadedModel, Protocol):
    """A model that can be asked in several ways, each with inputs and outputs of its own: a SavedModel."""

    @property
    def signatures(self) -> Mapping[str, LoadedModel]:
        """All of them by name; each is closed by itself, the one that `predict` runs with the model."""


@runtime_checkable
class InterruptibleStream(StreamingModel, Protocol):
    """A model whose stream can be cut short."""

    def stream_until(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, deadline: Deadline | None
    ) -> Iterator[dict[str, Array]]:
        """As `stream`; raises DeadlineExceededError soon after the deadline has passed, whatever the model does."""


@runtime_checkable
class Runtime(Protocol):
    """Loads artifacts of one format."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the artifact at `path`. Raises InvalidModelError saying what is wrong with the file."""
