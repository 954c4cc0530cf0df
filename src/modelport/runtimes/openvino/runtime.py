"""Models in OpenVINO's own format (IR): an .xml file with the network and a .bin file with its weights.

They compute in float32 unless the option `inference_precision` says otherwise: OpenVINO by itself takes bfloat16 where
the CPU has it, and answers then differ in the third digit.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from modelport.core.declared import with_meanings
from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec, ModelInfo
from modelport.runtimes.carried_document import NAME, read_document
from modelport.runtimes.openvino.device import clean, compiled, core, settled, version
from modelport.runtimes.openvino.model import OpenVinoModel, signature_of
from modelport.runtimes.openvino.outline import parameters_in

_HEAD, _TAIL = 64 << 10, 1 << 10
_NET = re.compile(rb"<net\s[^>]*>")
_VERSION = re.compile(rb'\sversion="(\d+)"')
#: Versions of the format that OpenVINO 2022 and later reads.
_VERSIONS = ("10", "11")


class OpenVinoRuntime:
    """Loads IR models: the .xml file, its weights beside it, or a folder with one such pair."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the model at `path`.

        `spec.options` are `inference_precision` (`f32`, `bf16`, `f16`, `auto`), `performance_hint` (`latency`,
        `throughput`) and `num_streams`. Raises InvalidModelError saying what is wrong with the files, InvalidInputError
        or MissingExtraError saying what is wrong with `spec`.
        """
        file = _xml_file(path)
        ir_version = _check_xml(file)
        weights = file.with_suffix(".bin")
        if not weights.is_file():
            raise InvalidModelError(f"{file.name} lacks its weights: {weights.name} must lie beside it")
        try:
            model = core().read_model(str(file), str(weights))
        except RuntimeError as error:
            raise InvalidModelError(f"{file.name} can't be read by OpenVINO {version()}: {clean(error)}") from None
        ready = compiled(model, spec, file.name)
        document = read_document(_carried(model), file.name)
        signature = with_meanings(signature_of(ready, file.name), document.inputs, document.outputs)
        said = {"description": document.description, "ir_version": ir_version, "parameters": parameters_in(file)}
        said |= settled(ready)
        info = ModelInfo(
            "openvino", "openvino_ir", f"OpenVINO {version()}", {key: text for key, text in said.items() if text}
        )
        return OpenVinoModel(ready, signature, info)


def _xml_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.xml"))
    named = [file for file in files if file.stem in ("model", path.name)]
    if len(files) != 1 and len(named) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise InvalidModelError(
            f"the folder {path.name} must hold one .xml file, or one named model.xml; it has {found}"
        )
    return (named or files)[0]


def _check_xml(file: Path) -> str:
    """The version of the format. Raises InvalidModelError where the file is no IR model, or not a whole one.

    OpenVINO tries every reader that it has on a file that it does not know, which says nothing of what is wrong.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
            opened.seek(max(0, opened.seek(0, 2) - _TAIL))
            tail = opened.read()
    except OSError as error:
        raise InvalidModelError(f"can't read {file.name}: {error.strerror or error}") from None
    net = _NET.search(head)
    if not head.lstrip().startswith(b"<") or net is None:
        raise InvalidModelError(f"{file.name} is no OpenVINO IR model: it is not XML with a <net> element")
    if b"</net>" not in tail:
        raise InvalidModelError(f"{file.name} is cut short: its <net> element does not end")
    found = _VERSION.search(net[0])
    number = found[1].decode() if found else "none"
    if number not in _VERSIONS:
        raise InvalidModelError(
            f"{file.name} is of IR version {number}; OpenVINO {version()} reads {' and '.join(_VERSIONS)}: "
            "convert the model again from its original"
        )
    return number


def _carried(model: Any) -> str:
    return str(model.get_rt_info([NAME]).value) if model.has_rt_info([NAME]) else ""
