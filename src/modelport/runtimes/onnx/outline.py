"""What an ONNX file says of itself: what made it, and how large it is."""

from __future__ import annotations

from pathlib import Path

from modelport.runtimes.onnx.file import model_file, read_onnx
from modelport.runtimes.onnx.parameters import parameters_text
from modelport.runtimes.outlines import Outline


def outline(path: Path, _format: str) -> Outline:
    """The outline of a file, or of the one in a folder. Raises InvalidModelError."""
    path = model_file(path)
    file = read_onnx(path)
    properties = {
        "opset": ", ".join(f"{domain} {version}" for domain, version in sorted(file.opsets.items())),
        "weights_beside": ", ".join(sorted(file.graph.external)),
    }
    return Outline(
        writer=file.producer,
        version=file.producer_version,
        parameters=parameters_text(path, file),
        properties={key: value for key, value in properties.items() if value},
    )
