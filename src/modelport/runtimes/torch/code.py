"""The Python module beside a PyTorch model: the class of the network, whose weights lie in another file.

Importing it runs its code: whether it may is decided before a runtime is asked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.nearest import did_you_mean
from modelport.runtimes.torch.inputs import Argument, Example
from modelport.runtimes.torch.tensors import DATATYPES

#: Options in modelport.toml: `[runtime] options = {module = "net.py", class = "Net", arguments = '{"hidden": 64}'}`.
OPTIONS = ("module", "class", "arguments")


def run_module(file: Path) -> ModuleType:
    """The module, run under a name of its own. Raises InvalidModelError with what its code raised."""
    tag = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    name = f"modelport_model_{file.stem}_{tag}"
    made = importlib.util.spec_from_file_location(name, file)
    if made is None or made.loader is None:
        raise InvalidModelError(f"{file.name} can't be imported: it is no Python module")
    module = importlib.util.module_from_spec(made)
    sys.modules[name] = module  # data classes and pickles look their module up
    try:
        with importable(file.parent):
            made.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InvalidModelError(f"{file.name} can't be run: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules in the folder be imported by their names while the block runs."""
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)


def build_network(module: ModuleType, options: dict[str, str], file: str) -> Any:
    """The network: the module's one class of `nn.Module`, or what the option `class` names, called.

    Raises InvalidModelError or InvalidInputError.
    """
    maker = _maker(module, options.get("class"), file)
    arguments = _arguments(options.get("arguments", "{}"))
    try:
        network = maker(**arguments)
    except Exception as error:
        raise InvalidModelError(
            f"{file}: {maker.__name__}({', '.join(arguments)}) raised {type(error).__name__}: {error}. Arguments that "
            "it needs are given as JSON by the option 'arguments'"
        ) from error
    if not isinstance(network, torch.nn.Module):
        raise InvalidModelError(f"{file}: {maker.__name__} gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def forward_arguments(network: Any) -> list[Argument]:
    """The arguments of its `forward`; what stands for any number of them is left out."""
    return [
        Argument(item.name, optional=item.default is not item.empty)
        for item in inspect.signature(network.forward).parameters.values()
        if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]


def recorded_examples(network: Any, arguments: list[Argument]) -> dict[str, Example]:
    """What the network's own `example_input_array` (a tensor, a tuple, a dictionary) says of its inputs."""
    example = getattr(network, "example_input_array", None)
    if isinstance(example, torch.Tensor):
        example = (example,)
    if isinstance(example, tuple | list):
        example = {argument.name: item for argument, item in zip(arguments, example, strict=False)}
    if not isinstance(example, dict):
        return {}
    return {
        str(name): Example(DATATYPES[item.dtype], tuple(item.shape))
        for name, item in example.items()
        if isinstance(item, torch.Tensor) and item.dtype in DATATYPES
    }


def load_weights(network: Any, weights: dict[str, Any], name: str) -> None:
    """Put the weights into the network. Raises InvalidModelError naming those that it lacks or has too many."""
    try:
        result = network.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        text = " ".join(str(error).split())[:600]
        raise InvalidModelError(f"{name}: its weights do not fit {type(network).__name__}: {text}") from None
    missing = _without_tied(network, result.missing_keys, weights)
    if missing or result.unexpected_keys:
        raise InvalidModelError(
            f"{name}: its weights are not those of {type(network).__name__}: it lacks {_some(missing)}; "
            f"it has {_some(result.unexpected_keys)}, which the class does not"
        )


def _without_tied(network: Any, missing: list[str], weights: dict[str, Any]) -> list[str]:
    """The names without those whose memory is another's that was loaded: tied weights are saved once."""
    state = network.state_dict()
    loaded = {state[name].data_ptr() for name in weights if name in state}
    return [name for name in missing if state[name].data_ptr() not in loaded]


def _maker(module: ModuleType, named: str | None, file: str) -> Any:
    own = {
        name: item
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, torch.nn.Module) and item.__module__ == module.__name__
    }
    if named is not None:
        maker = getattr(module, named, None)
        if not callable(maker):
            raise InvalidInputError(f"option 'class': {file} has no {named!r}{did_you_mean(named, own)}")
        return maker
    if len(own) == 1:
        return next(iter(own.values()))
    if "Model" in own:
        return own["Model"]
    has = f"has {', '.join(own)}" if own else "has none"
    raise InvalidModelError(
        f"{file} must have one class of torch.nn.Module, or one that is called Model, but {has}: name it in "
        'modelport.toml: [runtime] options = {class = "…"}'
    )


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"option 'arguments' is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidInputError(
            "option 'arguments' must be a JSON object of names and values, such as '{\"hidden\": 64}'"
        )
    return given


def _some(names: list[str]) -> str:
    listed = ", ".join(names[:5]) or "nothing"
    return f"{listed} and {len(names) - 5} more" if len(names) > 5 else listed
