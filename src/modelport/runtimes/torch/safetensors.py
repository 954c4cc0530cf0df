"""Weights in safetensors files, with the Python module that defines their network.

The weights are data and nothing else; the module beside them is code, and runs when the model is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.carried_document import NAME, CarriedDocument, read_document
from modelport.runtimes.companions import code_file
from modelport.runtimes.torch.code import OPTIONS, build_network, load_weights, run_module
from modelport.runtimes.torch.errors import check_readable, load_error
from modelport.runtimes.torch.host import check_options, device_for
from modelport.runtimes.torch.network import network_model


class SafetensorsRuntime:
    """Loads a `.safetensors` file beside its module, or a folder with `model.py` and any number of them."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the weights at `path` into the network that the module beside them defines.

        `spec.options` are `module` (the file; `<name>.py` or `model.py`), `class` (its class of nn.Module, or a
        function that gives one) and `arguments` (JSON for it). Raises InvalidModelError saying what is wrong with the
        files, InvalidInputError or MissingExtraError saying what is wrong with `spec`.
        """
        check_options(spec, OPTIONS, "safetensors models")
        device = device_for(spec.device)
        weights, document = _weights(path)
        code = code_file(path, spec.options)
        if code is None:
            raise InvalidModelError(
                f"{path.name} holds weights without the network that they belong to: put the Python module with its "
                f"class of torch.nn.Module beside it, as {path.stem if path.is_file() else 'model'}.py"
            )
        try:
            network = build_network(run_module(code), spec.options, code.name)
            load_weights(network, weights, path.name)
            return network_model(network, document, spec, device, "safetensors", path.name)
        except Exception as error:
            raise load_error(error, path.name, "a network with safetensors weights") from error


def _weights(path: Path) -> tuple[dict[str, Any], CarriedDocument]:
    """All tensors of the file, or of the folder's files, and the document that one of them carries."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise InvalidModelError(f"{path.name} has no .safetensors file")
    weights: dict[str, Any] = {}
    document = CarriedDocument()
    for file in files:
        check_readable(file)
        part, text = _read(file)
        twice = sorted(weights.keys() & part)
        if twice:
            raise InvalidModelError(f"{file.name} has the weight {twice[0]!r}, which another file beside it has too")
        weights |= part
        document = read_document(text, file.name) if text else document
    return weights, document


def _read(file: Path) -> tuple[dict[str, Any], str]:
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
            return {name: opened.get_tensor(name) for name in opened.keys()}, metadata.get(NAME, "")  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidModelError(f"{file.name} is no safetensors file, or is cut short or damaged: {error}") from None
