"""Opening a session of ONNX Runtime: threads, devices, options by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.host import cpu_quota
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadSpec
from modelport.runtimes.onnx.errors import clean

ERRORS_ONLY, FATAL_ONLY = 3, 4

_log = logging.getLogger("modelport.runtimes")
_TENSORRT, _CUDA, _CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
_DEVICES = ("cpu", "cuda", "tensorrt", "auto")

_OPTIMIZATION = {
    "disable": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_EXECUTION = {
    "sequential": ort.ExecutionMode.ORT_SEQUENTIAL,
    "parallel": ort.ExecutionMode.ORT_PARALLEL,
}
_CHOICES: dict[str, Mapping[str, Any]] = {"graph_optimization_level": _OPTIMIZATION, "execution_mode": _EXECUTION}


def open_session(model: Path | bytes, spec: LoadSpec) -> Any:
    """A session for the file, or for a file's content.

    Raises InvalidInputError or MissingExtraError for what is wrong with `spec`, else ONNX Runtime's own errors.
    """
    ort.set_default_logger_severity(ERRORS_ONLY)
    options = session_options(spec)
    wanted = providers(spec.device)
    session = _started(model, options, wanted, spec.device)
    _check_device(spec.device, wanted, session.get_providers())
    return session


def session_options(spec: LoadSpec) -> Any:
    """ONNX Runtime's options for `spec`. Raises InvalidInputError for an option that does not exist."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = spec.threads or cpu_quota()
    options.inter_op_num_threads = 1
    # Each failure is raised too; as a log line it would only let callers fill the server's terminal.
    options.log_severity_level = FATAL_ONLY
    # Idle threads of a pool spin by default, to answer sooner when one caller runs one model in a loop. A server has
    # many models and pauses between requests: spinning burns whole CPUs there and takes them from the other models.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in spec.options.items():
        _set_option(options, name, value)
    return options


def providers(device: str) -> list[Any]:
    """Execution providers for `cpu`, `cuda`, `tensorrt` (both also with `:1`) or `auto`, the preferred one first.

    `cuda` is CUDA or an error; `tensorrt` and `auto` are what there is, in the order TensorRT, CUDA, CPU.
    """
    kind, _, number = device.partition(":")
    numbered = kind in ("cuda", "tensorrt")
    if kind not in _DEVICES or (number and not numbered) or not (number or "0").isdecimal():
        raise InvalidInputError(
            f"unknown device {device!r}; ONNX models run on 'cpu', 'cuda', 'tensorrt' (or with ':<number>') or 'auto'"
        )
    if kind == "cpu":
        return [_CPU]
    if kind != "cuda":
        return _by_preference(number or "0")
    if _CUDA not in ort.get_available_providers():
        raise MissingExtraError(
            f"device {device!r} needs ONNX Runtime with CUDA, which is not installed: pip install onnxruntime-gpu "
            "(in place of onnxruntime)"
        )
    return [(_CUDA, {"device_id": number or "0"}), _CPU]


def _started(model: Path | bytes, options: Any, wanted: list[Any], device: str) -> Any:
    """A session on the providers wanted; where one of a device that may fall back does not start, on the rest."""
    while True:
        try:
            # Without a fallback: it would print to standard output and quietly serve from another device.
            return ort.InferenceSession(model, options, providers=wanted, enable_fallback=0)
        except Exception as error:
            if not _falls_back(device) or len(wanted) == 1:
                raise
            _log.warning("device %r: %s does not start (%s); trying the next", device, _name(wanted[0]), clean(error))
            wanted = wanted[1:]


def _by_preference(number: str) -> list[Any]:
    """TensorRT, CUDA, CPU: those of them that this ONNX Runtime has."""
    here = ort.get_available_providers()
    return [
        provider if provider == _CPU else (provider, {"device_id": number})
        for provider in (_TENSORRT, _CUDA, _CPU)
        if provider in here
    ]


def _check_device(device: str, wanted: list[Any], given: list[str]) -> None:
    first = _name(wanted[0])
    if _falls_back(device):
        best = {"tensorrt": _TENSORRT}.get(device.partition(":")[0], first)
        if best not in given:
            _log.warning("device %r: ONNX Runtime has no %s here; the model runs on %s", device, best, ", ".join(given))
        return
    if first not in given:
        raise MissingExtraError(
            f"device {device!r} could not be started: ONNX Runtime's {first} did not load "
            "(are the driver and the CUDA and cuDNN libraries that it needs installed?)"
        )


def _set_option(options: Any, name: str, value: str) -> None:
    if name in _CHOICES:
        choices = _CHOICES[name]
        if value not in choices:
            raise InvalidInputError(
                f"option {name!r} is {value!r}{did_you_mean(value, choices)}; it is one of {_listed(choices)}"
            )
        setattr(options, name, choices[value])
    elif name.startswith("session."):
        try:
            options.add_session_config_entry(name, value)
        except Exception:  # what the binding raises differs between versions
            raise InvalidInputError(f"option {name!r} can't be {value!r}: ONNX Runtime refuses it") from None
    else:
        raise InvalidInputError(
            f"unknown option {name!r}{did_you_mean(name, _CHOICES)}; ONNX models take {_listed(_CHOICES)} "
            "and ONNX Runtime's own 'session.…' entries"
        )


def _falls_back(device: str) -> bool:
    return device.partition(":")[0] in ("auto", "tensorrt")


def _name(provider: Any) -> str:
    name: str = provider if isinstance(provider, str) else provider[0]
    return name


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names)
