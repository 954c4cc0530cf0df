"""Compiling a model for OpenVINO's device: threads, precision, hints."""

from __future__ import annotations

import re
import threading
from typing import Any

import openvino as ov

from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError, OutOfResourcesError
from modelport.core.host import cpu_quota
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadSpec

#: Option → the values it may have; None: a whole number.
OPTIONS: dict[str, tuple[str, ...] | None] = {
    "inference_precision": ("f32", "bf16", "f16", "auto"),
    "performance_hint": ("latency", "throughput"),
    "num_streams": None,
}
#: Choices of precision that a CPU must be able to compute in.
_NEEDED = {"bf16": "BF16", "f16": "FP16"}
_DEVICE = re.compile(r"(cpu|gpu|npu|auto)(?:[:.](\d+))?")
#: Layers that take nearly all of a network's time.
_DEAR = frozenset(("FullyConnected", "MatMul", "Convolution", "Deconvolution", "RNNCell", "RNNSeq"))
_PLACE = re.compile(
    r"Exception from \S+:|Check '.*?' failed at \S+?:\d+:|Exception from|While validating node.*?:(?= )"
)
_LONGEST = 600

_lock = threading.Lock()
_core: Any = None


def core() -> Any:
    """OpenVINO's core, one for the process: its plug-ins are loaded once."""
    global _core  # noqa: PLW0603
    with _lock:
        if _core is None:
            _core = ov.Core()
        return _core


def clean(error: Exception) -> str:
    """The error's text on one line, without places in OpenVINO's source; never empty."""
    text = " ".join(_PLACE.sub(" ", str(error)).split())
    return text[:_LONGEST] or type(error).__name__


def compiled(model: Any, spec: LoadSpec, name: str) -> Any:
    """The model, ready for `spec`. Raises InvalidInputError, MissingExtraError or InvalidModelError."""
    device = device_name(spec.device)
    settings = settings_for(spec, device)
    try:
        return core().compile_model(model, device, settings)
    except MemoryError as error:
        raise OutOfResourcesError(f"{name} does not fit into the memory: {clean(error)}") from error
    except RuntimeError as error:
        raise InvalidModelError(
            f"{name} can't be compiled by OpenVINO {version()} for {device}: {clean(error)}"
        ) from None


def device_name(wanted: str) -> str:
    """OpenVINO's name of the device. Raises InvalidInputError or MissingExtraError."""
    found = _DEVICE.fullmatch(wanted)
    if found is None:
        raise InvalidInputError(
            f"unknown device {wanted!r}; OpenVINO models run on 'cpu', 'gpu', 'gpu:<number>', 'npu' or 'auto'"
        )
    kind, number = found[1].upper(), found[2]
    if kind not in ("CPU", "AUTO") and not any(item.split(".")[0] == kind for item in core().available_devices):
        raise MissingExtraError(
            f"device {wanted!r} can't be used: OpenVINO finds {', '.join(core().available_devices)} "
            "(is the driver of the device installed?)"
        )
    return f"{kind}.{number}" if number else kind


def settings_for(spec: LoadSpec, device: str) -> dict[str, Any]:
    """OpenVINO's properties for `spec`. Raises InvalidInputError for an option or value that does not exist."""
    for option, value in spec.options.items():
        _check_option(option, value)
    precision = spec.options.get("inference_precision", "f32")
    settings: dict[str, Any] = {"PERFORMANCE_HINT": spec.options.get("performance_hint", "latency").upper()}
    if device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = spec.threads or cpu_quota()
        _check_precision(precision)
    if precision != "auto":  # without it OpenVINO takes bfloat16 by itself where the CPU has it
        settings["INFERENCE_PRECISION_HINT"] = precision
    if "num_streams" in spec.options:
        settings["NUM_STREAMS"] = int(spec.options["num_streams"])
    return settings


def version() -> str:
    """OpenVINO's version, short."""
    text: str = ov.__version__
    return text.partition("-")[0]


def capabilities(device: str = "CPU") -> list[str]:
    """What a device computes in: `FP32`, `BF16`, `INT8`, `AMX_BF16` …; empty where it does not say."""
    try:
        return list(core().get_property(device, "OPTIMIZATION_CAPABILITIES"))
    except RuntimeError:
        return []


def settled(ready: Any) -> dict[str, str]:
    """What a compiled model computes in and with, as OpenVINO says that it was settled."""
    said = {
        "inference_precision": _property(ready, "INFERENCE_PRECISION_HINT"),
        "threads": _property(ready, "INFERENCE_NUM_THREADS"),
        "streams": _property(ready, "NUM_STREAMS"),
        "device": _property(ready, "EXECUTION_DEVICES"),
        "layers_compute_in": ", ".join(_precisions(ready)),
        "cpu_computes_in": ", ".join(capabilities()),
    }
    return {key: text for key, text in said.items() if text}


def _precisions(ready: Any) -> list[str]:
    """What the layers that take the time compute in, 8-bit ones of quantized models (`u8`, `i8`) among them."""
    found = set()
    try:
        for layer in ready.get_runtime_model().get_ops():
            said = layer.get_rt_info()
            if "layerType" in said and said["layerType"].value in _DEAR:
                found.add(str(said["runtimePrecision"].value))
    except RuntimeError:  # not every device shows its graph
        return []
    return sorted(found)


def _property(ready: Any, name: str) -> str:
    try:
        value = ready.get_property(name)
    except RuntimeError:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value.get_type_name() if hasattr(value, "get_type_name") else value)


def _check_option(option: str, value: str) -> None:
    if option not in OPTIONS:
        listed = ", ".join(map(repr, OPTIONS))
        raise InvalidInputError(
            f"unknown option {option!r}{did_you_mean(option, OPTIONS)}; OpenVINO models take {listed}"
        )
    choices = OPTIONS[option]
    if option == "inference_precision" and value in ("i8", "int8"):
        raise InvalidInputError(
            "option 'inference_precision' can't be 'i8': a model computes in 8 bits where it was quantized (by NNCF, "
            "or in ONNX with QuantizeLinear), without an option"
        )
    if choices is None and not (value.isdecimal() and int(value) > 0):
        raise InvalidInputError(f"option {option!r} is {value!r}; it is a whole number of at least 1")
    if choices is not None and value not in choices:
        listed = ", ".join(map(repr, choices))
        raise InvalidInputError(f"option {option!r} is {value!r}{did_you_mean(value, choices)}; it is one of {listed}")


def _check_precision(precision: str) -> None:
    needed = _NEEDED.get(precision)
    have = capabilities()
    if needed is not None and needed not in have:
        raise InvalidInputError(
            f"option 'inference_precision' can't be {precision!r} on this CPU, which computes in {', '.join(have)}"
        )
