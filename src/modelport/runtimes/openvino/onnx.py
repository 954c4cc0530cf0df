"""ONNX models on OpenVINO: `[runtime] options = {engine = "openvino"}` in modelport.toml."""

from __future__ import annotations

from pathlib import Path

from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.core.signature import Signature
from modelport.runtimes.onnx.file import OnnxFile
from modelport.runtimes.onnx.meaning import read_property, with_meanings
from modelport.runtimes.openvino.device import clean, compiled, core, settled, version
from modelport.runtimes.openvino.model import OpenVinoModel, signature_of


def load_on_openvino(path: Path, file: OnnxFile, spec: LoadSpec) -> LoadedModel:
    """Load the file, which `file` is the outline of; the options are those of OpenVINO's own models.

    Raises InvalidModelError where OpenVINO has not all of its operators, InvalidInputError or MissingExtraError saying
    what is wrong with `spec`.
    """
    try:
        model = core().read_model(str(path))
    except RuntimeError as error:
        raise InvalidModelError(f"{path.name} can't be read by OpenVINO {version()}: {clean(error)}") from None
    ready = compiled(model, spec, path.name)
    bare = signature_of(ready, path.name, _names(file))
    inputs, outputs = with_meanings(bare.inputs, bare.outputs, file, path.name)
    said = {"description": read_property(file, path.name).get("description") or file.description, **settled(ready)}
    said["parameters"] = str(file.graph.parameters or "")
    properties = {key: text for key, text in said.items() if text}
    info = ModelInfo("onnx", "onnx_onnxv1", f"OpenVINO {version()}", properties)
    return OpenVinoModel(ready, Signature(inputs, outputs), info)


def _names(file: OnnxFile) -> dict[str, list[str]]:
    """The graph's own names: OpenVINO may know a tensor by several."""
    inputs = [value.name for value in file.graph.inputs if value.name not in file.graph.initializers]
    return {"inputs": inputs, "outputs": [value.name for value in file.graph.outputs]}
