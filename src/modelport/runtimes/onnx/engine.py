"""Which engine an ONNX model runs on: ONNX Runtime, or another that `engine` names among the options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.runtimes.onnx.file import OnnxFile

ENGINES = ("onnxruntime", "openvino")

Engine = Callable[[Path, OnnxFile, LoadSpec], LoadedModel]


def chosen_engine(spec: LoadSpec) -> tuple[Engine | None, LoadSpec]:
    """What loads the model in ONNX Runtime's place (None: nothing does), and `spec` without that option.

    Raises InvalidInputError for an engine that does not exist, MissingExtraError for one that is not installed.
    """
    if "engine" not in spec.options:
        return None, spec
    named = spec.options["engine"]
    rest = replace(spec, options={name: value for name, value in spec.options.items() if name != "engine"})
    if named not in ENGINES:
        listed = ", ".join(map(repr, ENGINES))
        raise InvalidInputError(f"option 'engine' is {named!r}{did_you_mean(named, ENGINES)}; it is one of {listed}")
    return (None if named == "onnxruntime" else _openvino()), rest


def _openvino() -> Engine:
    try:
        from modelport.runtimes.openvino.onnx import load_on_openvino  # noqa: PLC0415 - a framework of its own
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("modelport"):
            raise
        raise MissingExtraError(
            f"the engine 'openvino' needs {error.name!r}, which is not installed: pip install 'modelport[openvino]'"
        ) from None
    return load_on_openvino
