"""The inputs that a traced model was traced with: TorchScript archives keep them, so that they tell its shapes.

They lie in a pickle of TorchScript's own. It is read here without PyTorch and without running anything that it names:
of a tensor only the type of its storage and its size are kept.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

from modelport.runtimes.torch.inputs import Example

RECORD = "traced_inputs.pkl"

#: Classes of storages and what their tensors are.
_STORAGES = {
    "FloatStorage": "FP32",
    "DoubleStorage": "FP64",
    "HalfStorage": "FP16",
    "BFloat16Storage": "BF16",
    "LongStorage": "INT64",
    "IntStorage": "INT32",
    "ShortStorage": "INT16",
    "CharStorage": "INT8",
    "ByteStorage": "UINT8",
    "BoolStorage": "BOOL",
}


def traced_examples(reader: Any, arguments: list[str]) -> dict[str, Example]:
    """The examples by argument; empty where the archive has none that can be read. `reader`: a `PyTorchFileReader`."""
    if not reader.has_record(RECORD):
        return {}
    try:
        recorded = _Unpickler(io.BytesIO(reader.get_record(RECORD))).load()["forward"]
        pairs = zip(arguments, recorded, strict=False)
        return {name: example for name, example in pairs if isinstance(example, Example)}
    except Exception:  # an example is a convenience: without one the owner is asked
        return {}


class _Unpickler(pickle.Unpickler):
    """Knows the four things that TorchScript writes for a tensor, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _example
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return _untagged
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]  # the kind of storage; its content is not read


def _example(datatype: str, _offset: int, shape: tuple[int, ...], *_rest: Any) -> Example:
    return Example(datatype, tuple(shape))


def _untagged(value: Any, _type: str) -> Any:
    return value
