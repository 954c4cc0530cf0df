"""Frameworks that write model files: which version is installed, and what a difference to the file's means."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from modelport.runtimes.catalog import entry_for
from modelport.runtimes.outlines import Outline
from modelport.runtimes.sklearn.version import difference


@dataclass(frozen=True, slots=True)
class Framework:
    """What loads a format: its `module`, the distributions that may bring it, and what it says of older files."""

    title: str
    module: str
    distributions: tuple[str, ...]
    older: str = ""


_TORCH = Framework(
    "PyTorch", "torch", ("torch",), "PyTorch does not promise that it reads programs which earlier versions exported"
)
_SKLEARN = Framework("scikit-learn", "sklearn", ("scikit-learn",))
FRAMEWORKS = {
    "onnx": Framework("ONNX Runtime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu")),
    "skops": _SKLEARN,
    "pickle": _SKLEARN,
    "xgboost": Framework(
        "XGBoost", "xgboost", ("xgboost", "xgboost-cpu"), "XGBoost promises to read what earlier versions saved so"
    ),
    "lightgbm": Framework("LightGBM", "lightgbm", ("lightgbm",)),
    "catboost": Framework("CatBoost", "catboost", ("catboost",), "CatBoost reads what earlier versions saved"),
    "openvino": Framework("OpenVINO", "openvino", ("openvino",), "OpenVINO reads IR of the versions 10 and 11"),
    "torchscript": _TORCH,
    "torchserve": _TORCH,
    "torch_export": _TORCH,
    "safetensors": _TORCH,
    "pytorch": _TORCH,
    "tensorflow": Framework(
        "TensorFlow",
        "tensorflow",
        ("tensorflow", "tensorflow-cpu"),
        "TensorFlow promises to read what earlier versions from 1.0 on saved",
    ),
    "keras": Framework("Keras", "keras", ("keras",), "Keras 3 reads its own archives, and most of what Keras 2 saved"),
    "tflite": Framework("LiteRT", "ai_edge_litert", ("ai-edge-litert",)),
    "pmml": Framework("pypmml", "pypmml", ("pypmml",)),
}


def installed(format: str) -> str:  # noqa: A002 - the word of the field
    """The version of a format's framework that is installed; empty where none is. Imports nothing."""
    framework = FRAMEWORKS.get(format)
    for name in framework.distributions if framework else ():
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def missing(format: str) -> str:  # noqa: A002 - the word of the field
    """What to install where a format's framework is not there; empty where it is. Imports nothing."""
    framework = FRAMEWORKS.get(format)
    if framework is None or _is_there(framework.module):
        return ""
    return f"{framework.title} is not installed: pip install '{entry_for(format).install}'"


def version_note(format: str, outline: Outline) -> str:  # noqa: A002 - the word of the field
    """What it means that another version of the framework wrote the file; empty where there is nothing to say."""
    framework, here = FRAMEWORKS.get(format), installed(format)
    if framework is None or outline.writer != framework.title or not outline.version or not here:
        return ""
    if framework is _SKLEARN:
        return difference(outline.version, here)
    written, now = _release(outline.version), _release(here)
    if written == now or not written:
        return ""
    told = f"written by {framework.title} {outline.version}, loaded by {here}"
    if written > now:
        package = framework.distributions[0]
        return f"{told}, which is older: it may lack what the file uses; pip install '{package}>={outline.version}'"
    return f"{told}: {framework.older}" if framework.older else ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _release(text: str) -> tuple[int, ...]:
    """Of 2.21.0, what matters: (2, 21)."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
