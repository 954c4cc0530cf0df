"""Programs that `torch.export.save` wrote (.pt2): their signature says inputs, outputs, and which lengths are free.

Loading one can run code: PyTorch evaluates its size expressions and unpickles its constants.
"""

from __future__ import annotations

import logging
import math
import operator
import threading
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import ConstantArgument, InputKind, TensorArgument
from torch.utils import _pytree as pytree

from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError
from modelport.core.nearest import did_you_mean
from modelport.core.runtime import LoadedModel, LoadSpec
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.carried_document import NAME, CarriedDocument, read_document
from modelport.runtimes.torch.errors import check_readable, load_error
from modelport.runtimes.torch.host import check_options, device_for
from modelport.runtimes.torch.inputs import declared_over
from modelport.runtimes.torch.model import TorchModel, counted, torch_info
from modelport.runtimes.torch.results import named_values, with_declared
from modelport.runtimes.torch.tensors import datatype_for, datatype_of_value, shape_of_value

_WHAT = "an exported program"


class TorchExportRuntime:
    """Loads exported programs. Those compiled ahead of time (AOTInductor) are refused: they are machine code."""

    def load(self, path: Path, spec: LoadSpec) -> LoadedModel:
        """Load the program at `path` for `spec.device`; there are no options.

        Raises InvalidModelError saying what is wrong with the file, InvalidInputError or MissingExtraError saying what
        is wrong with `spec`.
        """
        check_options(spec, (), "exported PyTorch programs")
        device = device_for(spec.device)
        check_readable(path)
        _check_kind(path)
        try:
            program, document = _read(path)
            return _model(program, document, spec, device, path.name)
        except Exception as error:
            raise load_error(error, path.name, _WHAT) from error


class _Reason(logging.Filter):
    """Keeps what PyTorch only logs, with its stack, while it raises an error that says to look into the log."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        self.error = record.exc_info[1] if record.exc_info else self.error
        return False


def _read(path: Path) -> tuple[Any, CarriedDocument]:
    extra, reason = {NAME: ""}, _Reason()
    log = logging.getLogger("torch.export")
    log.addFilter(reason)
    try:
        program = torch.export.load(str(path), extra_files=extra)
    except Exception as error:
        raise reason.error or error from None
    finally:
        log.removeFilter(reason)
    return program, read_document(extra[NAME], path.name)


def _check_kind(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise InvalidModelError(f"{path.name} is no exported program (.pt2), or is cut short or damaged") from None
    if any("data/aotinductor/" in name for name in names):
        raise InvalidModelError(
            f"{path.name} is a program that was compiled ahead of time (AOTInductor), machine code for one kind of "
            "host: save the exported program itself, with torch.export.save"
        )
    if not any(name.endswith(("models/model.json", "serialized_exported_program.json")) for name in names):
        raise InvalidModelError(f"{path.name} is no exported program (.pt2): it is a zip archive without one")


def _model(program: Any, document: CarriedDocument, spec: LoadSpec, device: Any, name: str) -> LoadedModel:
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass  # noqa: PLC0415 - heavy, and only for other devices

        program = move_to_device_pass(program, device)
    inputs = _inputs(program, name)
    specs = _declared_inputs(tuple(inputs.values()), declared_over(spec.inputs, document.inputs), name)
    outputs = with_declared(_outputs(program, name), declared_over(spec.outputs, document.outputs), name)
    limits = _limits(program)
    rows = _rows(program)
    free = len(rows) < 2 and not any(row in limits for row in rows)
    said = {
        "sizes": "; ".join(f"{where} {text}" for where, text in _where(program, limits)),
        "parameters": counted(program.state_dict.values()),
    }
    info = torch_info("torch_export", "pytorch_export", spec, device, description=document.description, **said)
    signature = Signature(specs, outputs, rowwise=free)
    state = [*program.state_dict.values(), *(item for item in program.constants.values() if torch.is_tensor(item))]
    return TorchModel(_caller(program, list(inputs)), signature, info, device, state, copied=_writes(program))


def _inputs(program: Any, name: str) -> dict[str, TensorSpec]:
    """The inputs by the names of their placeholders, in the order of the call; constants take no part."""
    found = {}
    for item in _user_inputs(program):
        if isinstance(item.arg, TensorArgument):
            value = _values(program)[item.arg.name]
            datatype = datatype_for(value.dtype, f"{name}: input {item.arg.name!r}")
            found[item.arg.name] = TensorSpec(item.arg.name, datatype, _shape(value.shape))
        elif not isinstance(item.arg, ConstantArgument):
            raise InvalidModelError(
                f"{name}: input {item.arg.name!r} is a number, not a tensor: export a module whose forward takes "
                "tensors only"
            )
    return found


def _declared_inputs(
    specs: tuple[TensorSpec, ...], declared: tuple[DeclaredTensor, ...], name: str
) -> tuple[TensorSpec, ...]:
    """The inputs with the meanings declared for them; datatype and shape are the program's own."""
    known = {spec.name: spec for spec in specs}
    for item in declared:
        spec = known.get(item.name)
        if spec is None and item.shared:
            continue
        if spec is None:
            near = did_you_mean(item.name, known)
            raise InvalidModelError(f"{name} has no input {item.name!r}{near}; its inputs are {', '.join(known)}")
        if item.datatype not in (None, spec.datatype) or (item.shape is not None and not _within(item.shape, spec)):
            raise InvalidModelError(f"{name}: input {item.name!r} is declared otherwise, but is {spec.describe()}")
        known[item.name] = TensorSpec(spec.name, spec.datatype, item.shape or spec.shape, item.meaning)
    return tuple(known.values())


def _within(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    return spec.fits(shape)


def _outputs(program: Any, name: str) -> list[TensorSpec]:
    values = _values(program)
    given = [
        values[item.name] if isinstance(item, TensorArgument) else getattr(item, "value", None)
        for item in (output.arg for output in program.graph_signature.output_specs if output.kind.name == "USER_OUTPUT")
    ]
    result = pytree.tree_unflatten(given, program.call_spec.out_spec)
    return [
        TensorSpec(key, datatype_of_value(value, f"{name}: output {key!r}"), _shape(shape_of_value(value)))
        for key, value in named_values(result).items()
    ]


def _user_inputs(program: Any) -> list[Any]:
    return [item for item in program.graph_signature.input_specs if item.kind == InputKind.USER_INPUT]


def _values(program: Any) -> dict[str, Any]:
    """What each node of the graph stands for: a tensor without content, which has dtype and shape."""
    return {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}


def _shape(sizes: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in sizes)


def _rows(program: Any) -> set[str]:
    """The names of the inputs' first axes where they are free: two names mean two lengths."""
    values = _values(program)
    shapes = [values[item.arg.name].shape for item in _user_inputs(program) if isinstance(item.arg, TensorArgument)]
    return {str(shape[0]) for shape in shapes if len(shape) and not isinstance(shape[0], int)}


def _limits(program: Any) -> dict[str, str]:
    """The sizes that are not free after all: their least and greatest length in words."""
    limits = {}
    for symbol, allowed in program.range_constraints.items():
        low, high = int(allowed.lower), float(allowed.upper)
        most = math.inf if high >= 2**62 else int(high)
        if low > 1 or most < math.inf:
            limits[str(symbol)] = f"{low} or more" if most == math.inf else f"{low} to {most}"
    return limits


def _where(program: Any, limits: dict[str, str]) -> list[tuple[str, str]]:
    values = _values(program)
    found = []
    for item in _user_inputs(program):
        if isinstance(item.arg, TensorArgument):
            for axis, size in enumerate(values[item.arg.name].shape):
                if str(size) in limits:
                    found.append((f"{item.arg.name} axis {axis}:", limits[str(size)]))
    return found


def _writes(program: Any) -> bool:
    """Whether an operator of the program may write to what it is given: relu_, say, or one that holds a program."""
    return any(_may_write(node.target) for node in program.graph.nodes if node.op == "call_function")


def _may_write(target: Any) -> bool:
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - the class has no public name
        return bool(target._schema.is_mutable)  # noqa: SLF001
    return target is not operator.getitem


def _caller(program: Any, names: list[str]) -> Any:
    """Calls the program as it was exported: its tensors by name, and its constants, put in their places."""
    module = program.module()
    spec = program.call_spec.in_spec
    fixed = [None if isinstance(item.arg, TensorArgument) else item.arg.value for item in _user_inputs(program)]
    places = [index for index, item in enumerate(_user_inputs(program)) if isinstance(item.arg, TensorArgument)]

    count = len(fixed)
    if pytree.tree_unflatten(list(range(count)), spec) == (tuple(range(count)), {}) and len(names) == count:

        def call_plainly(tensors: dict[str, Any]) -> Any:
            return module(*(tensors[name] for name in names))

        return call_plainly

    def call(tensors: dict[str, Any]) -> Any:
        flat = list(fixed)
        for place, name in zip(places, names, strict=True):
            flat[place] = tensors[name]
        args, kwargs = pytree.tree_unflatten(flat, spec)
        return module(*args, **kwargs)

    return call
