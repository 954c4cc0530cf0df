"""What a model file can carry about itself: the JSON document `modelport`, as in ONNX metadata.

TorchScript and exported programs have room for it among their extra files, safetensors in its metadata, OpenVINO in its
runtime information:
`{"description": "…", "inputs": {"x": {"datatype": "FP32", "shape": [-1, 64], "kind": "image", …}}, "outputs": {…}}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from modelport.core.declared import DeclaredTensor, declared_tensors
from modelport.core.errors import InvalidModelError

NAME = "modelport"


@dataclass(frozen=True, slots=True)
class CarriedDocument:
    """The document of a file; empty where it carries none."""

    description: str = ""
    inputs: tuple[DeclaredTensor, ...] = ()
    outputs: tuple[DeclaredTensor, ...] = ()


def read_document(text: str | bytes | None, name: str) -> CarriedDocument:
    """The document. Raises InvalidModelError naming what is wrong with it."""
    if not text:
        return CarriedDocument()
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it must be an object with description, inputs and outputs")
        return CarriedDocument(
            str(content.get("description", "")),
            declared_tensors(content.get("inputs", {})),
            declared_tensors(content.get("outputs", {})),
        )
    except (ValueError, RecursionError) as error:
        raise InvalidModelError(f"{name}: the document {NAME!r} that it carries can't be read: {error}") from None
