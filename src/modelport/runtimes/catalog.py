"""Which runtime loads which format. Built-in runtimes stand in a table here; others announce themselves.

A package adds a format with an entry point in the group `modelport.runtimes`: its name is the format's, its value the
class (`package.module:Class`), which is made without arguments and is a `core.runtime.Runtime`. A file is of that
format where the content says so (see `detection.py`), or where the format's name is the file's suffix.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from modelport.core.errors import InternalError, InvalidModelError, MissingExtraError, NotFoundError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec, Runtime
from modelport.runtimes.detection import look_at

GROUP = "modelport.runtimes"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a format's runtime is, and what to install for it (as `pip install` takes it).

    `runs_code` says that loading such a file can run code that stands in it.
    """

    target: str
    install: str
    runs_code: bool = False


BUILT_IN: dict[str, Entry] = {
    "onnx": Entry("modelport.runtimes.onnx.runtime:OnnxRuntime", "onnxruntime"),
    "skops": Entry("modelport.runtimes.sklearn.skops:SkopsRuntime", "modelport[sklearn]"),
    "pickle": Entry("modelport.runtimes.sklearn.runtime:PickleRuntime", "modelport[sklearn]", runs_code=True),
    "xgboost": Entry("modelport.runtimes.boosting.xgboost:XGBoostRuntime", "modelport[xgboost]"),
    "lightgbm": Entry("modelport.runtimes.boosting.lightgbm:LightGBMRuntime", "modelport[lightgbm]"),
    "catboost": Entry("modelport.runtimes.boosting.catboost:CatBoostRuntime", "modelport[catboost]"),
    "openvino": Entry("modelport.runtimes.openvino.runtime:OpenVinoRuntime", "modelport[openvino]"),
    "torchscript": Entry("modelport.runtimes.torch.torchscript:TorchScriptRuntime", "modelport[torch]"),
    "torchserve": Entry("modelport.runtimes.torch.torchserve_archive:TorchServeRuntime", "modelport[torch]"),
    "torch_export": Entry("modelport.runtimes.torch.export:TorchExportRuntime", "modelport[torch]", runs_code=True),
    "safetensors": Entry("modelport.runtimes.torch.safetensors:SafetensorsRuntime", "modelport[torch]", runs_code=True),
    "pytorch": Entry("modelport.runtimes.torch.pickle:TorchPickleRuntime", "modelport[torch]", runs_code=True),
    "tensorflow": Entry("modelport.runtimes.tensorflow.saved_model:SavedModelRuntime", "modelport[tensorflow]"),
    "keras": Entry("modelport.runtimes.tensorflow.keras:KerasRuntime", "modelport[tensorflow]"),
    "tflite": Entry("modelport.runtimes.tflite.runtime:TFLiteRuntime", "modelport[tflite]"),
    "pmml": Entry("modelport.runtimes.pmml.runtime:PmmlRuntime", "modelport[pmml]"),
    "mlflow": Entry("modelport.runtimes.mlflow.pyfunc:PyfuncRuntime", "modelport[mlflow]", runs_code=True),
    "python": Entry("modelport.runtimes.python.runtime:PythonRuntime", "modelport", runs_code=True),
}


def formats() -> list[str]:
    """The names of all formats that can be loaded, built-in ones first; their frameworks need not be installed."""
    return [*BUILT_IN, *sorted(_plugins())]


def detect(path: Path) -> str:
    """The format of the model at `path`.

    Raises InvalidModelError saying what the file is instead, where it is of no format that can be loaded.
    """
    look = look_at(path)
    known = formats()
    if look.format in known:
        return look.format
    named = path.suffix[1:].lower()
    if named in known and named not in BUILT_IN:
        return named
    raise InvalidModelError(
        f"{path.name} is {look.description}; that format is not supported yet. Supported: {', '.join(known)}"
        if look.format
        else f"{path.name} is {look.description}. Supported: {', '.join(known)}"
    )


def entry_for(format: str) -> Entry:  # noqa: A002 - the word of the field
    """Where the runtime of a format is; a plug-in's loads code of its own, not of the file."""
    return BUILT_IN.get(format) or Entry("", "")


def runtime_for(format: str) -> Runtime:  # noqa: A002 - the word of the field
    """The runtime of that format.

    Raises NotFoundError for a format that nothing loads, MissingExtraError (naming what to install) where its framework
    is not installed.
    """
    if format in BUILT_IN:
        return _built_in(format, BUILT_IN[format])
    plugins = _plugins()
    if format in plugins:
        return _plugin(plugins[format])
    known = formats()
    raise NotFoundError(
        f"no runtime loads the format {format!r}{did_you_mean(format, known)}; there are {', '.join(known)}"
    )


def load(path: Path, spec: LoadSpec | None = None) -> LoadedModel:
    """Load the model at `path`, whatever its format. Raises as `detect`, `runtime_for` and `Runtime.load` do."""
    return runtime_for(detect(path)).load(path, spec or LoadSpec())


def _built_in(name: str, entry: Entry) -> Runtime:
    module, _, attribute = entry.target.partition(":")
    try:
        runtime: type[Any] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("modelport"):
            raise
        raise MissingExtraError(
            f"{name} models need {error.name!r}, which is not installed: pip install '{entry.install}'"
        ) from None
    except ImportError as error:
        raise MissingExtraError(
            f"{name} models need a framework that can't be imported ({error}): pip install '{entry.install}'"
        ) from None
    made: Runtime = runtime()
    return made


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def _plugin(point: EntryPoint) -> Runtime:
    package = point.dist.name if point.dist is not None else point.value
    try:
        runtime = point.load()()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{point.name} models need {error.name!r}, which is not installed ({package} loads them)"
        ) from None
    except Exception as error:
        raise InternalError(f"the runtime of {package} for {point.name} models can't be made: {error!r}") from error
    if not isinstance(runtime, Runtime):
        raise InternalError(f"{point.value} of {package} is not a runtime: it has no method load(path, spec)")
    return runtime
