"""What a TorchScript archive's program may not do: reach files, or operators outside of those that compute.

TorchScript has no way to Python: its operators are all it can call. A few of them read and write files
(`torch.save`, `torch.from_file`, those of image libraries), and a module's `__setstate__` runs while it is loaded; so
the program is read before PyTorch sees it, by the reader that PyTorch itself uses.
"""

from __future__ import annotations

import re
from typing import Any

from modelport.core.errors import InvalidModelError

#: Operators of PyTorch that open files by a name of the program's choice.
_FILE_OPERATORS = ("save", "from_file")
#: Namespaces of operators that only compute.
_NAMESPACES = frozenset(
    {"aten", "prim", "prims", "quantized", "_quantized", "prepacked", "mkldnn", "mkldnn_prepacked", "onednn", "sparse"}
    | {"torchvision", "torchaudio", "torchtext"}
)
#: Namespaces of classes in C++ that only hold weights.
_CLASSES = frozenset({"quantized", "mkldnn", "sparse", "rnn", "xnnpack"})

_FORBIDDEN_CALL = re.compile(
    r"\.\s*\\?\s*(" + "|".join(_FILE_OPERATORS) + r")\b|[\"'](" + "|".join(_FILE_OPERATORS) + ")[\"']"
)
_OPERATOR = re.compile(r"\bops\s*\.\s*(\w+)\s*\.\s*(\w+)")
_CLASS = re.compile(r"__torch__\s*\.\s*torch\s*\.\s*classes\s*\.\s*(\w+)\s*\.\s*(\w+)")
_GETATTR = re.compile(r"\bgetattr\b")
#: How PyTorch itself writes the parts of a container: `getattr(self, "0")`.
_PLAIN_GETATTR = re.compile(r"\bgetattr\(\(?\w+(?:\.\w+)*\)?, \"[^\"\\\n]*\"\)")


def check_program(reader: Any, name: str) -> None:
    """Raise InvalidModelError where the program uses what it may not. `reader` is a `PyTorchFileReader`."""
    for record in reader.get_all_records():
        if record.startswith("code/") and record.endswith(".py"):
            _check_text(reader.get_record(record).decode("utf-8", "replace"), name)
        elif record.endswith(".pkl"):
            _check_classes(reader.get_record(record).decode("latin-1"), name)


def _check_text(text: str, name: str) -> None:
    call = _FORBIDDEN_CALL.search(text)
    if call is not None:
        operator = call[1] or call[2]
        raise InvalidModelError(f"{name} was not loaded: its program calls {operator!r}, which reads or writes files")
    for space, operator in _OPERATOR.findall(text):
        if space not in _NAMESPACES:
            raise InvalidModelError(
                f"{name} was not loaded: its program calls the operator {space}::{operator}; operators of "
                f"{space!r} are not among those that are known only to compute"
            )
    if len(_GETATTR.findall(text)) != len(_PLAIN_GETATTR.findall(text)):
        raise InvalidModelError(f"{name} was not loaded: its program hides the name of what it uses in a getattr")
    _check_classes(text, name)


def _check_classes(text: str, name: str) -> None:
    for space, kind in _CLASS.findall(text):
        if space not in _CLASSES:
            raise InvalidModelError(
                f"{name} was not loaded: it holds an object of {space}.{kind}, which is not known to be only data"
            )
