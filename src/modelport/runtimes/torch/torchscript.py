"""Models in TorchScript archives (`torch.jit.save`).

An archive names its inputs but says no datatypes and shapes. They come from modelport.toml, from the document
`modelport` among the archive's extra files, or, where the model was traced, from the example that it was traced with.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.carried_document import NAME, CarriedDocument, read_document
from modelport.runtimes.torch.errors import check_readable, load_error
from modelport.runtimes.torch.host import check_options, device_for
from modelport.runtimes.torch.inputs import Argument
from modelport.runtimes.torch.model import counted, described_model, torch_info
from modelport.runtimes.torch.torchscript_examples import traced_examples
from modelport.runtimes.torch.torchscript_screen import check_program

_WHAT = "a TorchScript archive"
_TYPES = {"Tensor": "tensor", "List[str]": "texts"}


class TorchScriptRuntime:
    """Loads TorchScript archives. Nothing in them is Python; programs that reach files are refused."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the archive at `path` for `spec.device`; there are no options.

        Raises InvalidModelError saying what is wrong with the file, or what to write into modelport.toml;
        InvalidInputError or MissingExtraError saying what is wrong with `spec`.
        """
        check_options(spec, (), "TorchScript models")
        device = device_for(spec.device)
        check_readable(path)
        try:
            reader = torch._C.PyTorchFileReader(str(path))  # noqa: SLF001 - the reader that torch.jit.load uses
            _check_kind(reader, path.name)
            check_program(reader, path.name)
            module, document = _loaded(path, device)
            arguments = _arguments(module)
            examples = traced_examples(reader, [argument.name for argument in arguments])
        except Exception as error:
            raise load_error(error, path.name, _WHAT) from error
        state = [*module.parameters(), *module.buffers()]
        said = {"description": document.description, "parameters": counted(state)}
        info = torch_info("torchscript", "pytorch_libtorch", spec, device, **said)
        return described_model(
            _caller(module), arguments, examples, document, spec, info, device, state, path.name, _writes(module)
        )


def _check_kind(reader: Any, name: str) -> None:
    if not reader.has_record("constants.pkl"):
        raise InvalidModelError(f"{name} is no TorchScript archive: it is a zip archive without a program (code/)")


def _loaded(path: Path, device: Any) -> tuple[Any, CarriedDocument]:
    extra: dict[str, Any] = {NAME: ""}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.load` is deprecated", category=DeprecationWarning)
        module = torch.jit.load(str(path), map_location=device, _extra_files=extra)
    return module.eval(), read_document(extra[NAME], path.name)


def _arguments(module: Any) -> list[Argument]:
    return [_argument(item) for item in module.forward.schema.arguments[1:]]


def _argument(item: Any) -> Argument:
    text = str(item.type)
    optional = item.has_default_value() or text.startswith("Optional[")
    bare = text.removeprefix("Optional[").removesuffix("]") if text.startswith("Optional[") else text
    return Argument(item.name, _TYPES.get(bare, text), optional)


def _caller(module: Any) -> Any:
    def call(tensors: dict[str, Any]) -> Any:
        return module(**tensors)

    return call


def _writes(module: Any) -> bool:
    """Whether the program has an operator that writes to a tensor it is given, or calls what can't be seen."""
    return _writes_in(module.inlined_graph)


def _writes_in(block: Any) -> bool:
    for node in block.nodes():
        if "!" in node.schema() or node.kind() in ("prim::CallMethod", "prim::CallFunction", "prim::fork"):
            return True
        if any(_writes_in(inner) for inner in node.blocks()):
            return True
    return False
