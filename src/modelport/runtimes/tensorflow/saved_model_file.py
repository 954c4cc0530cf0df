"""What a SavedModel folder says of itself, read from `saved_model.pb` without running or loading anything of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.tensorflow.process import tf
from modelport.runtimes.tensorflow.saved_model_operations import Operations, operations_of
from modelport.runtimes.tensorflow.values import DATATYPES, shape_of

NAME = "saved_model.pb"
SERVE = "serve"
#: Not for callers: TensorFlow runs it while it loads.
_INITIALISER = "__saved_model_init_op"
_LARGEST = 2 << 30


@dataclass(frozen=True, slots=True)
class SavedModelFile:
    """The part of the folder that is served.

    `signatures` are those whose tensors all have a datatype of the protocol, `others` say why the rest have not;
    `method_names` say what each is for.
    """

    folder: Path
    tags: tuple[str, ...]
    version: str
    signatures: dict[str, Signature]
    others: dict[str, str]
    method_names: dict[str, str]
    operations: Operations


def read_saved_model(path: Path) -> SavedModelFile:
    """The outline of the SavedModel at `path`, the folder or its `saved_model.pb`.

    Raises InvalidModelError saying what is there instead.
    """
    folder = path.parent if path.name == NAME and path.is_file() else path
    graphs = _parsed(folder).meta_graphs
    chosen = _to_serve(list(graphs), folder)
    signatures: dict[str, Signature] = {}
    others: dict[str, str] = {}
    methods: dict[str, str] = {}
    for name in sorted(chosen.signature_def):
        definition = chosen.signature_def[name]
        if name != _INITIALISER and definition.outputs:
            methods[name] = definition.method_name
            try:
                signatures[name] = _signature(definition)
            except ValueError as error:
                others[name] = str(error)
    info = chosen.meta_info_def
    return SavedModelFile(
        folder, tuple(info.tags), info.tensorflow_version, signatures, others, methods, operations_of(chosen)
    )


def _parsed(folder: Path) -> Any:
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 - of a framework that is imported quietly

    file = folder / NAME
    if not folder.is_dir():
        what = "is a file, not a SavedModel folder" if folder.exists() else "is not there"
        raise InvalidModelError(f"{folder} {what}: a SavedModel is a folder with a {NAME}")
    if not file.is_file():
        raise InvalidModelError(f"{folder} has no {NAME}, which a SavedModel folder must have")
    if file.stat().st_size > _LARGEST:
        raise InvalidModelError(f"{file} has {file.stat().st_size} bytes; a SavedModel's graph has 2 GiB at most")
    try:
        made = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except OSError as error:
        raise InvalidModelError(f"can't read {file}: {error.strerror or error}") from None
    except Exception:  # what protobuf raises differs between versions
        raise InvalidModelError(f"{folder.name}/{NAME} is no SavedModel, or is cut short or damaged") from None
    if made.saved_model_schema_version != 1 or not made.meta_graphs:
        raise InvalidModelError(
            f"{folder.name}/{NAME} is no SavedModel that TensorFlow {tf.__version__} knows: it has the schema version "
            f"{made.saved_model_schema_version} (1 is right) and {len(made.meta_graphs)} graphs"
        )
    return made


def _to_serve(graphs: list[Any], folder: Path) -> Any:
    tagged = [set(graph.meta_info_def.tags) for graph in graphs]
    for graph, tags in zip(graphs, tagged, strict=True):
        if tags == {SERVE}:
            return graph
    for graph, tags in zip(graphs, tagged, strict=True):
        if SERVE in tags:
            return graph
    if len(graphs) == 1:
        return graphs[0]
    found = "; ".join(", ".join(sorted(tags)) or "none" for tags in tagged)
    raise InvalidModelError(f"{folder.name} has no graph with the tag '{SERVE}'; the tags of its graphs are: {found}")


def _signature(definition: Any) -> Signature:
    inputs = tuple(_spec(name, definition.inputs[name]) for name in sorted(definition.inputs))
    return Signature(inputs, tuple(_spec(name, definition.outputs[name]) for name in sorted(definition.outputs)))


def _spec(name: str, info: Any) -> TensorSpec:
    """Raises ValueError where no array carries such a tensor."""
    if info.WhichOneof("encoding") not in ("name", None):
        raise ValueError(f"{name!r} is sparse, ragged or of another composite kind, not a tensor")
    kind = tf.as_dtype(info.dtype).name
    if kind not in DATATYPES:
        raise ValueError(f"{name!r} has the dtype {kind}, which no datatype of the protocol carries")
    return TensorSpec(name, DATATYPES[kind], shape_of(tf.TensorShape(info.tensor_shape)))
