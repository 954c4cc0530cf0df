"""A network of Python code, made ready to be called."""

from __future__ import annotations

from typing import Any

from modelport.core.declared import DeclaredTensor
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.carried_document import CarriedDocument
from modelport.runtimes.torch.code import forward_arguments, recorded_examples
from modelport.runtimes.torch.inputs import Argument, declared_over
from modelport.runtimes.torch.model import counted, described_model, torch_info


def network_model(
    network: Any,
    document: CarriedDocument,
    spec: LoadSpec,
    device: Any,
    format: str,  # noqa: A002 - the word of the field
    name: str,
) -> LoadedModel:
    """The network in evaluation mode, on the device. Raises InvalidModelError."""
    network = network.to(device).eval().requires_grad_(False)
    declared = declared_over(spec.inputs, document.inputs)
    arguments = forward_arguments(network)
    positional = not arguments
    if positional:  # forward(*inputs): what is declared says what they are
        arguments = [Argument(item.name) for item in declared]
    arguments = [_typed(argument, declared) for argument in arguments]
    examples = recorded_examples(network, arguments)
    kind = type(network).__name__
    state = [*network.parameters(), *network.buffers()]
    said = {"class": kind, "description": document.description, "parameters": counted(state)}
    info = torch_info(format, "pytorch_eager", spec, device, **said)
    call = _by_place(network, arguments) if positional else _by_name(network)
    return described_model(call, arguments, examples, document, spec, info, device, state, name)


def _typed(argument: Argument, declared: tuple[DeclaredTensor, ...]) -> Argument:
    """Python's `forward` takes what it takes: texts where they are declared."""
    texts = any(item.name == argument.name and item.datatype == "BYTES" for item in declared)
    return Argument(argument.name, "texts" if texts else "tensor", argument.optional)


def _by_name(network: Any) -> Any:
    def call(tensors: dict[str, Any]) -> Any:
        return network(**tensors)

    return call


def _by_place(network: Any, arguments: list[Argument]) -> Any:
    names = [argument.name for argument in arguments]

    def call(tensors: dict[str, Any]) -> Any:
        return network(*(tensors[name] for name in names))

    return call
