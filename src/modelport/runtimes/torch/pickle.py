"""What `torch.save` wrote: a whole network as a pickle, or its weights with the Python module beside them.

Unpickling a network runs whatever the pickle names; weights alone are read by PyTorch's restricted unpickler.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.carried_document import CarriedDocument
from modelport.runtimes.companions import code_file
from modelport.runtimes.torch.code import OPTIONS, build_network, importable, load_weights, run_module
from modelport.runtimes.torch.errors import check_readable, clean, load_error
from modelport.runtimes.torch.host import check_options, device_for
from modelport.runtimes.torch.network import network_model

_WHAT = "a PyTorch file (torch.save)"
#: Where checkpoints of training keep the weights.
_NESTED = ("state_dict", "model_state_dict", "model", "module")
_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")


class TorchPickleRuntime:
    """Loads pickled networks, and state dictionaries that have their module beside them."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the file at `path`, or the one such file of a folder; the options are those of safetensors models.

        Raises InvalidModelError saying what is wrong with the file, InvalidInputError or MissingExtraError saying what
        is wrong with `spec`.
        """
        check_options(spec, OPTIONS, "PyTorch models")
        device = device_for(spec.device)
        file = _file(path)
        check_readable(file)
        try:
            network = _network(file, code_file(path, spec.options), spec)
            return network_model(network, CarriedDocument(), spec, device, "pytorch", path.name)
        except Exception as error:
            raise load_error(error, path.name, _WHAT) from error


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    if len(files) != 1:
        raise InvalidModelError(f"{path.name} must have one file of weights ({', '.join(_SUFFIXES)}), not {len(files)}")
    return files[0]


def _network(file: Path, code: Path | None, spec: LoadSpec) -> Any:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        content = _unpickled(file, code)
    if isinstance(content, torch.nn.Module):
        return content
    weights = _state(content)
    if weights is None:
        held = f"a {type(content).__name__}" if not isinstance(content, Mapping) else "a dictionary without weights"
        raise InvalidModelError(f"{file.name} holds {held}, not a network: save a torch.nn.Module or its state_dict()")
    if code is None:
        raise InvalidModelError(
            f"{file.name} holds weights (a state_dict) without the network that they belong to: put the Python module "
            f"with its class of torch.nn.Module beside it, as {file.stem}.py, or export it with torch.export.save"
        )
    network = build_network(run_module(code), spec.options, code.name)
    load_weights(network, weights, file.name)
    return network


def _state(content: Any) -> dict[str, Any] | None:
    """The weights in what a file holds: a state dictionary, or one within a checkpoint of training."""
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(item, torch.Tensor) for item in content.values()):
        return dict(content)
    inner = (_state(content.get(name)) for name in _NESTED)
    return next((state for state in inner if state is not None), None)


def _unpickled(file: Path, code: Path | None) -> Any:
    """The object, with all that it names. Classes of a script's `__main__` are looked up in the module beside it."""
    module = run_module(code) if code is not None else None
    try:
        with importable(file.parent):
            return torch.load(file, map_location="cpu", weights_only=False, pickle_module=_pickle_module(module))
    except (ModuleNotFoundError, AttributeError) as error:
        raise InvalidModelError(
            f"{file.name} is a pickled network whose class is not here ({_lacking(error)}): put the Python module that "
            f"defines it beside it, as {file.stem}.py"
        ) from error
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError) as error:
        raise InvalidModelError(f"{file.name} is no PyTorch file, or is cut short or damaged: {clean(error)}") from None


def _pickle_module(module: ModuleType | None) -> Any:
    """What stands in for `pickle`: where a class is not where the pickle says, the module beside the file has it."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, place: str, name: str) -> Any:
            own = module.__name__ if module is not None and hasattr(module, name.partition(".")[0]) else None
            if own is None and place == "__main__":  # not this program's
                raise AttributeError(f"{name}, which the script defined that saved it")
            try:
                return super().find_class(own if own and place == "__main__" else place, name)
            except (ImportError, AttributeError):
                if own is None:
                    raise
                return super().find_class(own, name)

    return SimpleNamespace(Unpickler=Unpickler, load=pickle.load, loads=pickle.loads, __name__="pickle")


def _lacking(error: Exception) -> str:
    found = re.search(r"attribute '([^']+)' on <module '([^']+)'|No module named '([^']+)'", str(error))
    if found is None:
        return str(error)
    return f"{found[2]}.{found[1]}" if found[1] else f"the module {found[3]}"
