"""What PyTorch's files say of themselves, read without PyTorch: none of them is unpickled."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.archives import check_member_name
from modelport.runtimes.outlines import Outline
from modelport.runtimes.torch.torchscript_screen import check_program
from modelport.runtimes.torch.torchserve_archive import read_manifest

#: The most that is read of a member of an archive.
_LARGEST = 64 << 20
#: `ScalarType` of the schema of exported programs → datatype of the protocol. Source: torch/_export/serde/schema.py.
_EXPORTED = {
    1: "UINT8", 2: "INT8", 3: "INT16", 4: "INT32", 5: "INT64", 6: "FP16", 7: "FP32", 8: "FP64", 12: "BOOL", 13: "BF16",
}  # fmt: skip


def outline(path: Path, format: str) -> Outline:  # noqa: A002 - the word of the field
    """The outline of a file of one of PyTorch's formats.

    Raises InvalidModelError, also for a program of TorchScript that does what none may.
    """
    readers: dict[str, Callable[[Path], Outline]] = {
        "torchscript": _torchscript,
        "torchserve": _torchserve,
        "torch_export": _exported,
        "safetensors": _safetensors,
    }
    return readers[format](path)


class _Archive:
    """A zip archive, as `check_program` reads it: names without the folder that all members lie in."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {item.filename.partition("/")[2]: item for item in archive.infolist()}

    def get_all_records(self) -> list[str]:
        return list(self._names)

    def get_record(self, name: str) -> bytes:
        with self._archive.open(self._names[name]) as file:
            return file.read(_LARGEST)


def _torchscript(path: Path) -> Outline:
    with _opened(path) as archive:
        check_program(_Archive(archive), path.name)
    return Outline(writer="PyTorch", properties={"program": "TorchScript, which calls nothing but what computes"})


def _torchserve(path: Path) -> Outline:
    manifest = read_manifest(path)
    with _opened(path) as archive:
        code = [name for name in archive.namelist() if name.endswith(".py")]
    properties = {
        "archive": f"{manifest.name} {manifest.version}".strip(),
        "handler": manifest.handler,
        "model": manifest.file,
    }
    told = (f"it brings Python code, which is never run: {', '.join(code)}",) if code else ()
    return Outline(
        writer="torch-model-archiver", properties={key: text for key, text in properties.items() if text}, dangers=told
    )


def _exported(path: Path) -> Outline:
    with _opened(path) as archive:
        models = [name for name in archive.namelist() if name.endswith("/models/model.json")]
        if len(models) != 1:
            return Outline(writer="PyTorch")
        with archive.open(models[0]) as file:
            program = json.loads(file.read(_LARGEST))
    graph = program["graph_module"]["graph"]
    said = program["graph_module"]["signature"]
    values = graph["tensor_values"]
    state = [item.get("parameter") or item.get("buffer") for item in said["input_specs"]]
    learned = [item["arg"]["name"] for item in state if item and item.get("persistent", True)]
    inputs = [name for item in said["input_specs"] if (name := _tensor(item.get("user_input")))]
    outputs = [name for item in said["output_specs"] if (name := _tensor(item.get("user_output")))]
    limits = [f"{name}: {limit}" for name, limit in program.get("range_constraints", {}).items()]
    return Outline(
        writer="PyTorch",
        version=str(program.get("torch_version", "")).partition("+")[0],
        parameters=str(sum(math.prod(_sizes(values[name])) for name in learned)),
        signature=Signature(_specs(inputs, values, "input"), _specs(outputs, values, "output")),
        properties={"free_sizes": str(len(limits))} if limits else {},
    )


def _tensor(item: Any) -> str:
    """The name of an input or output that is a tensor; empty for constants."""
    return str(((item or {}).get("arg") or {}).get("as_tensor", {}).get("name", ""))


def _specs(names: list[str], values: dict[str, Any], side: str) -> tuple[TensorSpec, ...]:
    """Outputs are known by their place: the names in the program are those of its nodes."""
    specs = []
    for place, name in enumerate(names):
        sizes = tuple(size if size >= 0 else -1 for size in _sizes(values[name]))
        shown = name if side == "input" else f"output_{place}"
        specs.append(TensorSpec(shown, _EXPORTED.get(values[name]["dtype"], "FP32"), sizes))
    return tuple(specs)


def _sizes(value: dict[str, Any]) -> list[int]:
    return [int(size["as_int"]) if "as_int" in size else -1 for size in value["sizes"]]


def _safetensors(path: Path) -> Outline:
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    total, kinds = 0, set()
    metadata: dict[str, Any] = {}
    for file in files:
        header = _header(file)
        metadata |= header.pop("__metadata__", {})
        total += sum(math.prod(item["shape"]) for item in header.values())
        kinds |= {str(item["dtype"]) for item in header.values()}
    said = {"datatypes": ", ".join(sorted(kinds)), "saved_with": str(metadata.get("format", ""))}
    return Outline(
        writer="safetensors", parameters=str(total), properties={key: text for key, text in said.items() if text}
    )


def _header(file: Path) -> dict[str, Any]:
    """The JSON object that a file begins with, which describes each of its tensors."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > min(_LARGEST, file.stat().st_size - 8):
            raise InvalidModelError(
                f"{file.name} is no safetensors file, or is cut short: its header takes {length} bytes"
            )
        header: dict[str, Any] = json.loads(opened.read(length))
    return header


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InvalidModelError(f"{path.name} is an archive that is cut short or damaged: {error}") from None
    for name in archive.namelist():
        check_member_name(name, path.name)
    return archive
