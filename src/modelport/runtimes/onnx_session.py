"""Opening a session of ONNX Runtime: threads, devices, options by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from modelport.core.errors import InvalidInputError, MissingExtraError
from modelport.core.host import cpu_quota
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadSpec

ERRORS_ONLY, FATAL_ONLY = 3, 4

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
    # Without a fallback: it would print to standard output and quietly serve from another device.
    session = ort.InferenceSession(model, options, providers=wanted, enable_fallback=0)
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
    """Execution providers for `cpu`, `cuda` or `cuda:1`, the preferred one first."""
    kind, _, number = device.partition(":")
    if kind == "cpu" and not number:
        return ["CPUExecutionProvider"]
    if kind != "cuda" or not (number or "0").isdecimal():
        raise InvalidInputError(f"unknown device {device!r}; ONNX models run on 'cpu', 'cuda' or 'cuda:<number>'")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise MissingExtraError(
            f"device {device!r} needs ONNX Runtime with CUDA, which is not installed: pip install onnxruntime-gpu "
            "(in place of onnxruntime)"
        )
    return [("CUDAExecutionProvider", {"device_id": number or "0"}), "CPUExecutionProvider"]


def _check_device(device: str, wanted: list[Any], given: list[str]) -> None:
    first = wanted[0] if isinstance(wanted[0], str) else wanted[0][0]
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


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names)
