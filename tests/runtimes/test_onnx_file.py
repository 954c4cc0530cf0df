"""The reader of ONNX files, against the `onnx` package and against bytes of every kind."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx_graphs import (
    ML,
    classifier,
    identity,
    map_of,
    model,
    node,
    optional_of,
    sequence_of,
    tensor,
    tensor_type,
    value,
    weight,
    zipmap,
)

from modelport.core.errors import InvalidModelError
from modelport.runtimes.onnx import file as onnx_file
from modelport.runtimes.onnx.file import looks_like_onnx, model_file, parse_onnx, read_onnx
from modelport.runtimes.onnx.graph import Value
from modelport.runtimes.onnx.types import (
    ELEMENT_NAMES,
    MapType,
    OptionalType,
    OtherType,
    SequenceType,
    TensorType,
    parse_type,
)


def test_the_header():
    made = identity(metadata={"modelport": "{}", "ü": ""}, domains=[ML])
    file = parse_onnx(made.SerializeToString())
    assert (file.ir_version, file.producer, file.producer_version) == (9, "hand", "1.5")
    assert file.opsets == {"ai.onnx": 18, "ai.onnx.ml": 3}
    assert file.metadata == {"modelport": "{}", "ü": ""}


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ([], ()),
        (None, None),
        ([2, 3], (2, 3)),
        (["rows", 3], (-1, 3)),
        ([None, 3], (-1, 3)),
        ([-1, 3], (-1, 3)),
        ([-7, 0], (-1, 0)),
        ([1 << 40], (1 << 40,)),
    ],
)
def test_shapes(shape, read):
    file = parse_onnx(identity(shape=shape).SerializeToString())
    kind = file.graph.inputs[0].type
    assert (kind.element, kind.shape) == ("float", read)
    assert kind.rows == ("rows" if shape and shape[0] == "rows" else "")


def test_kinds_of_values():
    floats = tensor_type(T.FLOAT, [None])
    kinds = {
        "sequence": sequence_of(floats),
        "map": map_of(T.STRING, tensor_type(T.INT64, [])),
        "optional": optional_of(sequence_of(floats)),
        "sparse": onnx.helper.make_sparse_tensor_type_proto(T.FLOAT, [3]),
    }
    made = model([], [value(name, kind) for name, kind in kinds.items()], [onnx.ValueInfoProto(name="untyped")])
    graph = parse_onnx(made.SerializeToString()).graph
    assert [item.type for item in graph.inputs] == [
        SequenceType(TensorType("float", (-1,))),
        MapType("string", TensorType("int64", ())),
        OptionalType(SequenceType(TensorType("float", (-1,)))),
        OtherType("sparse_tensor"),
    ]
    assert graph.outputs == [Value("untyped", None)]
    assert [str(item.type) for item in graph.inputs] == [
        "seq(tensor(float))",
        "map(string,tensor(int64))",
        "optional(seq(tensor(float)))",
        "sparse_tensor",
    ]


def test_types_as_onnx_runtime_names_them():
    for text in ("tensor(float)", "seq(map(int64,tensor(float)))", "optional(seq(tensor(string)))", "opaque(a,b)"):
        assert str(parse_type(text)) == text


def test_every_element_type_has_onnx_runtimes_name():
    known = {code: name for code, name in ELEMENT_NAMES.items() if code in T.DataType.values()}
    assert len(known) > 20
    for code, name in known.items():
        assert {"float": "FLOAT", "double": "DOUBLE"}.get(name, name.upper()) == T.DataType.Name(code)


def test_weights_are_named_and_not_read(tmp_path):
    big = np.zeros(3 << 20, np.float32)
    made = model([node("Add", ["x", "w"], ["y"])], [tensor("x", T.FLOAT, [None])], [tensor("y", T.FLOAT, [None])])
    made.graph.initializer.extend([weight("w", big), weight("unused", big)])
    path = tmp_path / "big.onnx"
    path.write_bytes(made.SerializeToString())
    assert path.stat().st_size > onnx_file._READ_AT_ONCE
    graph = read_onnx(path).graph
    assert graph.initializers == {"w", "unused"}
    assert [item.name for item in graph.inputs] == ["x"]


def test_files_beside_the_model_are_named_even_in_subgraphs():
    inner = weight("inner", np.ones(2, np.float32))
    constant = weight("constant", np.ones(2, np.float32))
    for proto, where in ((inner, "inner.bin"), (constant, "constant.bin")):
        onnx.external_data_helper.set_external_data(proto, where)
    branch = onnx.helper.make_graph(
        [node("Constant", [], ["c"], value=constant), node("Add", ["c", "inner"], ["o"])],
        "branch",
        [],
        [tensor("o", T.FLOAT, [2])],
        [inner],
    )
    made = model(
        [node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)],
        [tensor("x", T.BOOL, [])],
        [tensor("y", T.FLOAT, [2])],
    )
    graph = parse_onnx(made.SerializeToString()).graph
    assert graph.external == {"inner.bin": "inner", "constant.bin": "constant"}
    assert graph.operators == {("ai.onnx", name) for name in ("If", "Constant", "Add")}
    assert graph.initializers == set()


@pytest.mark.parametrize("labels", [(7, 3, -5), ("b", "ü", "")])
def test_labels_of_a_zipmap(labels):
    (found,) = parse_onnx(zipmap(list(labels)).SerializeToString()).graph.classifiers
    assert (found.operator, found.inputs, found.outputs, found.labels) == ("ZipMap", ("p",), ("z",), labels)


def test_labels_that_are_packed():
    """Writers may put repeated numbers into one field; the `onnx` package does not, but reads them."""
    spread, packed = b"\x40\x07\x40\x03\x40\xac\x02", b"\x42\x84\x00\x07\x03\xac\x02"
    content = zipmap([7, 3, 300]).SerializeToString()
    assert content.count(spread) == 1
    content = content.replace(spread, packed)
    assert list(onnx.load_from_string(content).graph.node[1].attribute[0].ints) == [7, 3, 300]
    (found,) = parse_onnx(content).graph.classifiers
    assert found.labels == (7, 3, 300)


def test_labels_of_an_exported_forest():
    content, _ = classifier("text", zipmap=False, kind="forest")
    found = {item.operator: item.labels for item in parse_onnx(content).graph.classifiers}
    assert found == {"TreeEnsembleClassifier": ("setosa", "versicolor", "virginica")}


def test_every_model_that_the_onnx_package_has():
    """Names, types and opsets of some thousand models are as the package's own reader has them."""
    files = sorted((Path(onnx.__file__).parent / "backend/test/data").glob("*/*/model.onnx"))
    for path in files[::4]:
        ours, theirs = read_onnx(path), onnx.load(path, load_external_data=False)
        assert ours.ir_version == theirs.ir_version
        assert ours.opsets == {item.domain or "ai.onnx": item.version for item in theirs.opset_import}
        assert ours.graph.initializers == {item.name for item in theirs.graph.initializer}
        for mine, other in ((ours.graph.inputs, theirs.graph.input), (ours.graph.outputs, theirs.graph.output)):
            assert [item.name for item in mine] == [item.name for item in other]
            for have, want in zip(mine, other, strict=True):
                if want.type.HasField("tensor_type"):
                    assert have.type.element == ELEMENT_NAMES[want.type.tensor_type.elem_type]
                    assert have.type.shape == _shape(want.type.tensor_type)
                else:
                    assert str(have.type).split("(")[0] == want.type.WhichOneof("value").replace(
                        "sequence_type", "seq"
                    ).replace("_type", "")


def _shape(kind):
    if not kind.HasField("shape"):
        return None
    return tuple(item.dim_value if item.HasField("dim_value") else -1 for item in kind.shape.dim)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "m.onnx is empty (0 bytes), not an ONNX model"),
        (b"\x08\x09", "m.onnx is not an ONNX model: there is no graph in its 2 bytes"),
        (b"hello world", "m.onnx is not an ONNX model: at byte 2, a field has wire type 4, which does not exist"),
        (b"\x80\x04\x95", "m.onnx is not an ONNX model: at byte 2, the data ends inside a number"),
        (
            b"\x08\x09\x3a\x05\x0a",
            "m.onnx is an ONNX model that is cut short or damaged: at byte 2, field 7 takes 5 bytes, "
            "but only 1 are left (the file has 5 bytes)",
        ),
        (b"\x08\x09\x3a\x02\x12\x05", "cut short or damaged: at byte 4, field 2 takes 5 bytes, but only 0 are left"),
        (b"\x08\x09\x3a\x05\x5a\x03\x0a\x01\xff", "cut short or damaged: at byte 8, a text is not UTF-8"),
        (b"\x08\x09\x3a\x01\x80", "cut short or damaged: at byte 4, the data ends inside a number"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, content, says):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModelError) as caught:
        read_onnx(path)
    assert says in str(caught.value)


def test_metadata_that_is_no_text_is_still_read():
    made = identity(metadata={"key": "value"})
    file = parse_onnx(made.SerializeToString().replace(b"value", b"\xff\xfelue").replace(b"hand", b"h\xffnd"))
    assert (file.metadata, file.producer) == ({"key": "\ufffd\ufffdlue"}, "h\ufffdnd")


@pytest.mark.parametrize("path", ["nowhere.onnx", "."])
def test_a_file_that_can_not_be_read(tmp_path, path):
    with pytest.raises(InvalidModelError, match="can't read"):
        read_onnx(tmp_path / path)


def test_messages_nested_without_end():
    def message(number, content):
        length = len(content)
        return bytes([number << 3 | 2, length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14]) + content

    graph = kind = b""
    for _ in range(200):
        graph = message(1, message(5, message(6, graph)))
        kind = message(4, message(1, kind))
    for content in (graph, message(11, message(2, kind))):
        with pytest.raises(InvalidModelError, match="nest deeper than 30 levels"):
            parse_onnx(b"\x08\x09" + message(7, content))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x08\x09\x3a\x00")
def test_no_bytes_raise_anything_else(content):
    looks_like_onnx(content)
    with suppress(InvalidModelError):
        parse_onnx(content)


CHANGED = [
    zipmap(["a", "b"]).SerializeToString(),
    identity(shape=["n", 3], metadata={"a": "b"}).SerializeToString(),
    model(
        [node("If", ["x"], ["y"], then_branch=identity().graph, else_branch=identity().graph)],
        [value("x", optional_of(sequence_of(map_of(T.INT64, tensor_type(T.FLOAT, [])))))],
        [],
        weights=[weight("w", np.ones(3, np.float32))],
    ).SerializeToString(),
]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(CHANGED),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(0, 10_000)),
)
def test_no_change_to_a_model_raises_anything_else(content, changes, length):
    changed = bytearray(content)
    for position, byte in changes:
        changed[position % len(changed)] = byte
    if length is not None:
        del changed[length % len(changed) :]
    with suppress(InvalidModelError):
        parse_onnx(bytes(changed))


def test_every_prefix_is_said_to_be_cut_short():
    content = zipmap(["a", "b"]).SerializeToString()
    opsets = content.rindex(b"ai.onnx.ml") - 20  # they follow the graph, which is whole without them
    for length in range(1, opsets):
        with pytest.raises(InvalidModelError, match=r"cut short or damaged|no graph|not an ONNX model"):
            parse_onnx(content[:length])


def test_the_models_file_in_a_folder(tmp_path):
    with pytest.raises(InvalidModelError, match=r"must hold one \.onnx file, or .* it has no \.onnx file"):
        model_file(tmp_path)
    (tmp_path / "a.onnx").touch()
    assert model_file(tmp_path) == tmp_path / "a.onnx"
    (tmp_path / "b.onnx").touch()
    with pytest.raises(InvalidModelError, match=r"it has a\.onnx, b\.onnx"):
        model_file(tmp_path)
    (tmp_path / "model.onnx").touch()
    assert model_file(tmp_path) == tmp_path / "model.onnx"
    with pytest.raises(InvalidModelError, match="there is no file"):
        model_file(tmp_path / "c.onnx")
