"""Outlines are read from files that nobody vouches for: whatever their bytes, there is an answer or a clear error."""

import contextlib
import io
import json
import random
import struct
import subprocess
import sys
import zipfile

import pytest

from modelport.core.errors import InvalidModelError
from modelport.runtimes.flatbuffer_wire import root
from modelport.runtimes.outlines import Outline, outline_of, trees_text


def saved_model():
    """A SavedModel's graph of a few fields, written by hand: one variable [3, 2] that one function uses."""

    def field(number, content):
        if isinstance(content, int):
            return bytes([number << 3, content])
        return bytes([number << 3 | 2, len(content)]) + content

    shape = field(2, field(1, 3)) + field(2, field(1, 2))
    objects = field(1, field(7, field(1, 1) + field(2, shape)))
    objects += field(2, field(1, b"f") + field(2, field(2, b"\x00")))
    tensor = field(1, b"x:0") + field(2, 1) + field(3, field(2, field(1, 4)))
    signature = field(1, field(1, b"x") + field(2, tensor)) + field(2, field(1, b"y") + field(2, tensor))
    definition = field(1, field(1, b"n") + field(2, b"WriteFile")) + field(2, b"")
    graph = field(1, field(4, b"serve") + field(5, b"2.21.0")) + field(2, definition)
    graph += field(5, field(1, b"serving_default") + field(2, signature)) + field(7, objects)
    return field(1, 1) + b"\x12" + bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7]) + graph


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def safetensors(header):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 48


XGBOOST = {
    "version": [3, 1, 0],
    "learner": {
        "feature_names": [],
        "learner_model_param": {"num_feature": "4"},
        "objective": {"name": "reg:squarederror"},
        "gradient_booster": {"name": "gbtree", "model": {"trees": [{"tree_param": {"num_nodes": "5"}}]}},
    },
}
IR = b'<net version="11"><layers><layer type="Const"><data shape="3,2"/></layer></layers><edges/></net>'
PMML = b'<PMML version="4.4"><Header/><DataDictionary/><TreeModel><MiningSchema/><Node/></TreeModel></PMML>'
MANIFEST = json.dumps({"model": {"modelName": "m", "serializedFile": "m.pt", "handler": "base_handler"}})
KERAS = {"config_dot_json": '{"class_name": "Lambda"}', "metadata_dot_json": '{"keras_version": "3.1.0"}'}
FILES = {
    "xgboost": json.dumps(XGBOOST).encode(),
    "openvino": IR,
    "pmml": PMML,
    "safetensors": safetensors({"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}),
    "torchserve": archive(**{"MAR-INF__MANIFEST_dot_json": MANIFEST, "handler_dot_py": "1"}),
    "torchscript": archive(m__code__a_dot_py="op = 1", m__constants_dot_pkl="x"),
    "keras": archive(**KERAS),
    "tensorflow": saved_model(),
    "skops": archive(schema_dot_json="{}"),
}
SAYS = {
    "xgboost": {"writer": "XGBoost", "version": "3.1.0", "parameters": "1 tree, 5 nodes"},
    "openvino": {"parameters": "6", "properties": {"ir_version": "11"}},
    "pmml": {"parameters": "1 tree, 1 node"},
    "safetensors": {"parameters": "12"},
    "torchserve": {"dangers": ("it brings Python code, which is never run: handler.py",)},
    "keras": {"version": "3.1.0", "dangers": ("layers that run Python code of the file: Lambda",)},
    "tensorflow": {
        "version": "2.21.0",
        "parameters": "6",
        "dangers": ("operations that use files or networks: WriteFile",),
    },
}


def written(folder, format, content):  # noqa: A002
    if format == "tensorflow":
        folder.mkdir(exist_ok=True)
        (folder / "saved_model.pb").write_bytes(content)
        return folder
    (folder / "model").write_bytes(content)
    return folder / "model"


@pytest.mark.parametrize("format", SAYS)
def test_what_the_files_say(format, tmp_path):  # noqa: A002
    found = outline_of(written(tmp_path, format, FILES[format]), format)
    for name, value in SAYS[format].items():
        assert getattr(found, name) == value


@pytest.mark.parametrize("format", FILES)
def test_damage_gives_an_outline_or_says_what_is_wrong(format, tmp_path):  # noqa: A002
    content, chance = FILES[format], random.Random(0)
    for _ in range(300):
        broken = bytearray(content[: chance.randrange(1, len(content) + 1)])
        for _ in range(chance.randrange(4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path = written(tmp_path, format, bytes(broken))
        with contextlib.suppress(InvalidModelError):
            assert isinstance(outline_of(path, format), Outline)


@pytest.mark.parametrize("format", ["torchserve", "torchscript", "keras"])
def test_names_that_lead_out_of_an_archive(format, tmp_path):  # noqa: A002
    path = written(tmp_path, format, FILES[format])
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("../../etc/cron.d/x", "harm")
    with pytest.raises(InvalidModelError, match=r"holds '../../etc/cron.d/x'.* to do harm"):
        outline_of(path, format)


def test_tables_that_lie(tmp_path):
    """A FlatBuffers file of random bytes is read within its bounds."""
    chance = random.Random(1)
    refused = 0
    for _ in range(500):
        data = bytes([8, 0, 0, 0]) + b"TFL3" + chance.randbytes(chance.randrange(200))
        path = tmp_path / "x.tflite"
        path.write_bytes(data)
        try:
            outline_of(path, "tflite")
        except InvalidModelError:
            refused += 1
    assert refused > 250
    with pytest.raises(ValueError, match="outside of the data"):
        root(b"\xff\xff\xff\x7f").number(0, "I")


def test_a_format_without_a_reader_has_an_empty_outline(tmp_path):
    assert outline_of(tmp_path, "python") == Outline()
    assert (trees_text(0, 0), trees_text(1, 7), trees_text(2, 0, 8)) == ("", "1 tree, 7 nodes", "2 trees, 8 leaves")


def test_reading_outlines_imports_no_framework(tmp_path):
    names = [format for format in FILES if format != "skops"]  # noqa: A001
    paths = []
    for name in names:
        (tmp_path / name).mkdir()
        paths.append(str(written(tmp_path / name, name, FILES[name])))
    script = (
        "import sys; from pathlib import Path; from modelport.runtimes.outlines import outline_of\n"
        f"for path, name in zip({paths!r}, {names!r}): outline_of(Path(path), name)\n"
        "print([name for name in ('torch', 'tensorflow', 'keras', 'sklearn', 'xgboost', 'openvino', 'pypmml', 'h5py')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
