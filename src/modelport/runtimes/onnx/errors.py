"""ONNX Runtime's exceptions as errors of the tree, without source files, line numbers and C++ names.

ONNX Runtime tells its failures apart by class only roughly, so that a few are recognised by their text; a text that is
not recognised is still given, only cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError, ModelportError
from modelport.runtimes.onnx.file import OnnxFile

_LONGEST = 600
#: What a OneHotEncoder says of a value that is none of its categories: a fault of the caller's, reported as its own.
_UNKNOWN_CATEGORY = "Unknown Category and zeros = 0"
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_LOADING = re.compile(r"^Load model from .*? failed:")
_NODE = re.compile(r"Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: ")
#: `…/reshape_helper.h:91 onnxruntime::ReshapeHelper::ReshapeHelper(const TensorShape&, bool) a == b was false. `
_PLACE = re.compile(
    r"\S+\.(?:cc|cpp|cuh?|hp?p?):\d+ "
    r"(?:[^()]*\([^()]*(?:\([^()]*\)[^()]*)*\)(?: const)?(?: \[with [^\]]*\])? ?|\w+ )?"
    r"(?:.{1,200}? was false\. ?)?"
)
_DIMENSIONS = re.compile(r"Got invalid dimensions for input: (.+?) for the following indices (.*?) Please fix .*")


def clean(error: Exception) -> str:
    """The error's text on one line, without ONNX Runtime's own source places; never empty."""
    text = " ".join(str(error).split())
    text = _LOADING.sub("", _PREFIX.sub("", text))
    text = _NODE.sub(_node_text, text)
    text = _PLACE.sub("", text).strip()
    text = _DIMENSIONS.sub(r"input '\1' has the wrong shape: \2", text)
    return text[:_LONGEST] or type(error).__name__


def prediction_error(error: Exception) -> ModelportError:
    """What a failure in `run` means: InvalidInputError where ONNX Runtime blames the values, else ModelFailedError."""
    if isinstance(error, ModelportError):
        return error
    if isinstance(error, native.InvalidArgument):
        return InvalidInputError(f"the model refused the input: {clean(error)}")
    if _UNKNOWN_CATEGORY in str(error):
        return InvalidInputError(f"the model refused the input, a category that it does not know: {clean(error)}")
    return ModelFailedError(f"the model failed: {clean(error)}")


def load_error(error: Exception, name: str, file: OnnxFile) -> InvalidModelError:
    """What a failure to load the file means, and what would help."""
    text = clean(error)
    for pattern, explain in _EXPLANATIONS:
        found = pattern.search(text)
        if found is not None:
            return InvalidModelError(f"{name} {explain(found, file)}")
    return InvalidModelError(f"{name} can't be loaded by {_runtime()}: {text}")


def _node_text(found: re.Match[str]) -> str:
    operator, name = found.groups()
    return f"{operator} node {name!r}: " if name else f"{operator} node: "


def _runtime() -> str:
    return f"ONNX Runtime {ort.__version__}"


def _too_new_ir(found: re.Match[str], file: OnnxFile) -> str:
    return (
        f"is made for ONNX IR version {found[1]}; this {_runtime()} knows up to {found[2]}: "
        "upgrade onnxruntime or export with an older onnx"
    )


def _too_new_opset(found: re.Match[str], file: OnnxFile) -> str:
    domain = "" if found[2] == "ai.onnx" else f" of {found[2]}"
    return (
        f"is made for opset {found[1]}{domain}; this {_runtime()} knows up to {found[3]}: "
        "upgrade onnxruntime or export with a lower opset"
    )


def _unknown_operator(found: re.Match[str], file: OnnxFile) -> str:
    operator, opset = found[1], found[2]
    domains = sorted(domain for domain, name in file.graph.operators if name == operator) or ["ai.onnx"]
    return f"uses the operator {operator!r} of domain {domains[0]!r}, which {_runtime()} does not have in opset {opset}"


def _custom_operator(found: re.Match[str], file: OnnxFile) -> str:
    return (
        f"uses the operator {found[2]!r} of domain {found[1]!r}, which {_runtime()} does not have: "
        "custom operators need the library that defines them"
    )


def _missing_domain(found: re.Match[str], file: OnnxFile) -> str:
    operators = sorted(name for domain, name in file.graph.operators if domain == found[1])
    used = f"uses the operator {operators[0]!r} of domain" if operators else "uses the domain"
    return f"{used} {found[1]!r}, but does not say which opset of that domain it is made for"


def _no_kernel(found: re.Match[str], file: OnnxFile) -> str:
    operator = found[1]
    domains = sorted(domain for domain, name in file.graph.operators if name == operator) or ["ai.onnx"]
    return (
        f"uses the operator {operator!r} of domain {domains[0]!r} (opset {found[2]}), which {_runtime()} "
        "does not implement for these element types"
    )


def _short_weights(found: re.Match[str], file: OnnxFile) -> str:
    weight, offset, size, length = found.groups()
    location = next((where for where, first in file.graph.external.items() if first == weight), "a file beside it")
    return f"lacks weights: {weight!r} takes {size} bytes from byte {offset} of {location}, which has only {length}"


def _missing_locale(found: re.Match[str], file: OnnxFile) -> str:
    return (
        f"needs the locale {found[1]!r} to change the case of text, which this host lacks: install it "
        f"(Debian, Ubuntu: the package locales and `locale-gen {found[1]}`), or export with the locale 'C'"
    )


_EXPLANATIONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], OnnxFile], str]], ...] = (
    (re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)"), _too_new_ir),
    (re.compile(r"Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)"), _too_new_opset),
    (re.compile(r"No Op registered for (\S+) with domain_version of (\d+)"), _unknown_operator),
    (re.compile(r"Fatal error: ([^:\s]*):(\S+?)\(-?\d+\) is not a registered function/op"), _custom_operator),
    (re.compile(r"No opset import for domain '([^']*)'"), _missing_domain),
    (re.compile(r"Failed to construct locale with name:\s*([\w.@-]+?):"), _missing_locale),
    (re.compile(r"Could not find an implementation for (\w+)\((\d+)\)"), _no_kernel),
    (
        re.compile(r"External initializer: (.+?) offset: (\d+) size to read: (\d+) given file_length: (\d+)"),
        _short_weights,
    ),
)
