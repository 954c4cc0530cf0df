"""A PyTorch model in memory, however it was saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from modelport.core.datatypes import Array
from modelport.core.errors import ModelFailedError, UnavailableError
from modelport.core.runtime import LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.runtimes.carried_document import CarriedDocument
from modelport.runtimes.torch.errors import prediction_error
from modelport.runtimes.torch.host import use_threads
from modelport.runtimes.torch.inputs import Argument, Example, declared_over, inputs_for
from modelport.runtimes.torch.places import called_by_place, names_by_place, renamed
from modelport.runtimes.torch.results import by_spec, with_declared
from modelport.runtimes.torch.tensors import array_from, tensor_from
from modelport.runtimes.torch.trial import Call, tried

_CPU = torch.device("cpu")


class TorchModel:
    """Calls a function with tensors, without gradients. `copied` says that it may write to what it is given."""

    def __init__(
        self, call: Call, signature: Signature, info: ModelInfo, device: Any, state: Iterable[Any], copied: bool = True
    ) -> None:
        self.signature = signature
        self.info = info
        self._call = call
        self._device = device
        self._copied = copied
        self._names = [spec.name for spec in signature.outputs]
        self._expected = {spec.name: spec for spec in signature.outputs}
        self._held = frozenset(_address(tensor) for tensor in state)

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Run the model. Thread-safe as far as the model is; see `LoadedModel.predict`."""
        if len(inputs) != len(self.signature.inputs):
            self.signature.check_inputs(inputs)
        if outputs is not None and not all(name in self._expected for name in outputs):
            self.signature.check_outputs(outputs)
        if outputs == ():
            return {}
        try:
            with torch.inference_mode():
                device, copied = self._device, self._copied
                tensors = {name: tensor_from(array, name, device, copied) for name, array in inputs.items()}
                values = by_spec(self._call(tensors), self._names)
                given = dict(zip(self._names, self._arrays(values, tensors), strict=True))
        except Exception as error:
            raise prediction_error(error) from error
        return given if outputs is None else {name: given[name] for name in outputs}

    def close(self) -> None:
        """Free the model's memory."""
        self._call = _closed
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _arrays(self, values: list[Any], tensors: dict[str, Any]) -> list[Array]:
        """Arrays that share no memory with inputs, with the model's own state, or with one another."""
        taken = {_address(tensor) for tensor in tensors.values() if isinstance(tensor, torch.Tensor)}
        arrays = []
        for name, value in zip(self._names, values, strict=True):
            if isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.layout == torch.strided:
                address = _address(value)
                value = value.clone() if address in taken or address in self._held else value  # noqa: PLW2901
                taken.add(address)
            array = array_from(value, name)
            self._check(name, array)
            arrays.append(array)
        return arrays

    def _check(self, name: str, array: Array) -> None:
        spec = self._expected[name]
        if not spec.fits(array.shape):
            raise ModelFailedError(f"output {name!r} has shape {list(array.shape)}, but is {spec.describe()}")


def described_model(
    call: Call,
    arguments: list[Argument],
    examples: dict[str, Example],
    document: CarriedDocument,
    spec: LoadSpec,
    info: ModelInfo,
    device: Any,
    state: Iterable[Any],
    name: str,
    copied: bool = True,
) -> TorchModel:
    """A model that says its arguments only: inputs from what is declared or recorded, outputs from a trial run.

    Raises InvalidModelError.
    """
    declared = declared_over(spec.inputs, document.inputs)
    names = names_by_place(arguments, declared)
    if names:
        arguments, call = renamed(arguments, names), called_by_place(call, names)
        examples = {names.get(key, key): example for key, example in examples.items()}
    inputs = inputs_for(arguments, declared, examples, name)
    specs, found = tried(call, inputs, device, name)
    outputs = with_declared(found, declared_over(spec.outputs, document.outputs), name)
    return TorchModel(call, Signature(specs, outputs), info, device, state, copied)


def torch_info(format: str, platform: str, spec: LoadSpec, device: Any, **properties: str) -> ModelInfo:  # noqa: A002
    """What a PyTorch model says about itself; gives PyTorch its threads."""
    said = {"device": str(device), **properties}
    if device.type == "cpu":
        said["threads"] = str(use_threads(spec.threads))
    return ModelInfo(
        format, platform, f"PyTorch {torch.__version__}", {key: text for key, text in said.items() if text}
    )


def counted(state: Iterable[Any]) -> str:
    """How many numbers the parameters and buffers have."""
    return str(sum(tensor.numel() for tensor in state))


def _address(tensor: Any) -> int:
    """Where the memory of a tensor on the CPU begins; 0 for one elsewhere."""
    if tensor.layout != torch.strided or tensor.device != _CPU:
        return 0
    address: int = tensor.untyped_storage().data_ptr()
    return address


def _closed(_tensors: dict[str, Any]) -> Any:
    raise UnavailableError("the model is closed")
