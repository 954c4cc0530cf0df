"""The operations in a SavedModel's graph that reach out of it: files, networks, Python.

A SavedModel is a program. Most of its operations compute; these let whoever made the file read and write what the
server may read and write, when the model is loaded or whenever it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

#: Run Python functions, which a file can't bring along: such a model works only in the process that made it.
_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
_OUTSIDE = re.compile(
    r"(Read|Write)File$|(Experimental)?MatchingFiles|.*(TFRecord|FixedLengthRecord|TextLine|LMDB|Sql)(Dataset|Reader)"
    r"|WholeFileReader|LMDBReader|RecordInput$|(Experimental)?DatasetToTFRecord|(Save|Load)Dataset|DistributedSave"
    r"|.*Snapshot(V2|Chunk|Dataset)|CacheDataset|DataServiceDataset|RegisterDataset|Create(Summary|Db)\w*Writer"
    r"|DebugIdentity|DebugN\w+|Rpc\w+|FileSystemSetConfiguration|LoadAndRemapMatrix|Xla\w*Host\w*|RemoteCall"
)
#: The same, but every SavedModel has them to load its variables: only in what is served are they strange.
_CHECKPOINTS = re.compile(r"(Save|Restore)(V2|Slice|Slices)?$|MergeV2Checkpoints$|DTensorRestore")
_DEBUG_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Operations:
    """Names of operations, sorted: `python` run Python functions, `outside` use files or networks, `all` are all."""

    python: tuple[str, ...]
    outside: tuple[str, ...]
    all: frozenset[str]


def is_outside(operation: str) -> bool:
    """Whether an operation uses files or networks, wherever it stands."""
    return _OUTSIDE.match(operation) is not None


def is_python(operation: str) -> bool:
    """Whether an operation calls a Python function."""
    return operation in _PYTHON


def operations_of(graph: Any) -> Operations:
    """What is in a MetaGraphDef, functions that nothing calls included: loading can call them."""
    library = {function.signature.name: function for function in graph.graph_def.library.function}
    nodes = [*graph.graph_def.node, *(node for function in library.values() for node in function.node_def)]
    names = {node.op for node in nodes}
    strange = {name for name in names if _OUTSIDE.match(name)}
    strange |= {node.op for node in _served(graph, library) if _CHECKPOINTS.match(node.op)}
    strange |= {node.op for node in nodes if node.op == "PrintV2" and _prints_to_file(node)}
    return Operations(tuple(sorted(names & _PYTHON)), tuple(sorted(strange)), frozenset(names))


def _served(graph: Any, library: dict[str, Any]) -> Iterator[Any]:
    """The nodes that run when a signature does, or the functions of its objects, some of which run at loading."""
    nodes = {node.name: node for node in graph.graph_def.node}
    wanted = [
        info.name for definition in graph.signature_def.values() for info in definition.outputs.values() if info.name
    ]
    seen: set[str] = set()
    yield from _nodes_of(graph.object_graph_def.concrete_functions, library, seen)
    while wanted:
        name = wanted.pop().lstrip("^").partition(":")[0]
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name]
        yield from _nodes_of(_functions(nodes[name]), library, seen)
        wanted.extend(nodes[name].input)


def _nodes_of(functions: Iterable[str], library: dict[str, Any], seen: set[str]) -> Iterator[Any]:
    """The nodes of functions, and of those that they call."""
    waiting = list(functions)
    while waiting:
        name = waiting.pop()
        if f"function {name}" in seen or name not in library:
            continue
        seen.add(f"function {name}")
        for inner in library[name].node_def:
            yield inner
            waiting.extend(_functions(inner))


def _functions(node: Any) -> Iterable[str]:
    """The functions that a node names; an operation may itself be a function's name."""
    yield node.op
    for value in node.attr.values():
        if value.WhichOneof("value") == "func":
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _prints_to_file(node: Any) -> bool:
    return bool(node.attr["output_stream"].s.decode(errors="replace").startswith(_DEBUG_FILE))
