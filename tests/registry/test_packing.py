"""What a manifest says of a model's files, and what it may not say."""

import os
import subprocess

import msgspec
import pytest

from modelport.artifacts.checkout import check_out
from modelport.artifacts.digest import digest
from modelport.artifacts.local import LocalStore
from modelport.artifacts.manifest import File, Manifest, artifact_digest, check_manifest, manifest_from
from modelport.artifacts.uploads import send_file
from modelport.core.errors import ConflictError, InvalidInputError, InvalidModelError
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.records import parse_moment
from modelport.registry.references import parse_reference

ONNX = Inspected("onnx", properties={"opset": "17"})


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_file_its_weights_and_its_owners_words_belong_together(tmp_path):
    write(tmp_path, {"m.onnx": b"graph", "m.onnx.data": b"weights", "modelport.toml": b"", "other": b""})
    weights = tmp_path / "m.onnx.data"
    packed = pack(tmp_path / "m.onnx", (weights,), ONNX, Said("ann"))
    assert [file.path for file in packed.manifest.files] == ["m.onnx", "m.onnx.data", "modelport.toml"]
    assert packed.manifest.digest == digest(tmp_path / "m.onnx", (weights,))
    alone = pack(tmp_path / "m.onnx", (), ONNX, Said("ann"))
    assert alone.manifest.digest == digest(tmp_path / "m.onnx")
    assert alone.manifest.properties == {"opset": "17"}


def test_a_folder_is_packed_with_all_that_is_in_it(tmp_path):
    write(tmp_path / "m", {"b/c": b"1", "b-d": b"2", "a": b"3", "b/a/x": b"4"})
    packed = pack(tmp_path / "m", (), ONNX, Said("ann"))
    assert sorted(file.path for file in packed.manifest.files) == ["a", "b-d", "b/a/x", "b/c"]
    assert packed.manifest.digest == digest(tmp_path / "m")
    assert (packed.manifest.kind, packed.manifest.name, packed.manifest.size) == ("folder", "m", 4)


def test_what_lies_elsewhere_and_what_is_empty_is_refused(tmp_path):
    write(tmp_path, {"in/m.onnx": b"graph", "weights": b""})
    with pytest.raises(InvalidModelError, match="put it beside"):
        pack(tmp_path / "in" / "m.onnx", (tmp_path / "weights",), ONNX, Said())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidModelError, match="no files"):
        pack(tmp_path / "empty", (), ONNX, Said())


def test_the_commit_is_known_where_there_is_one(tmp_path):
    def git(*words):
        known = ("-c", "user.name=ann", "-c", "user.email=ann@localhost")
        command = ["git", *known, "-C", str(tmp_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    write(tmp_path, {"m.onnx": b"graph"})
    assert pack(tmp_path / "m.onnx", (), ONNX, Said()).manifest.provenance.git_commit == ""
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "a model")
    git("remote", "add", "origin", "https://ann:secret@example.com/models.git")
    came = pack(tmp_path / "m.onnx", (), ONNX, Said("ann", training_data="0" * 64)).manifest.provenance
    assert came.git_commit == git("rev-parse", "HEAD")
    assert (came.git_changed, came.git_remote) == (False, "https://example.com/models.git")
    assert (came.who, came.training_data) == ("ann", "0" * 64)
    write(tmp_path, {"m.onnx": b"graph of another"})
    assert pack(tmp_path / "m.onnx", (), ONNX, Said()).manifest.provenance.git_changed


def test_a_manifest_comes_back_from_json(tmp_path):
    write(tmp_path, {"m.onnx": b"graph"})
    manifest = pack(tmp_path / "m.onnx", (), ONNX, Said("ann", {"accuracy": 0.5})).manifest
    again = manifest_from(msgspec.json.decode(manifest.to_json()))
    assert again == manifest
    assert again.to_json() == manifest.to_json()


@pytest.mark.parametrize("name", [b"\xff", b"a\\b"])
def test_names_that_not_every_system_has_are_refused(tmp_path, name):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / os.fsdecode(name)).write_bytes(b"")
    with pytest.raises(InvalidModelError, match="called that"):
        pack(tmp_path / "m", (), ONNX, Said())


def made(*paths, **changes):
    files = tuple(File(path, 1, "0" * 64) for path in paths)
    words = {"name": "m", "kind": "folder", "digest": artifact_digest("folder", files), "files": files, **changes}
    return Manifest(**words)


@pytest.mark.parametrize(
    "paths", [(), ("../x",), ("/etc/passwd",), ("a//b",), ("a", "a"), ("a", "a/b"), ("a\0",), ("a\\b",), (".",), ("",)]
)
def test_paths_that_lead_elsewhere_are_refused(paths):
    with pytest.raises(InvalidInputError, match="manifest"):
        check_manifest(made(*paths))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../m"},
        {"name": ""},
        {"kind": "file", "digest": "0" * 64},
        {"digest": "1" * 64},
        {"schema": 2},
        {"files": (File("a", 1, "zero"),)},
        {"properties": {"x": "y" * (5 << 20)}},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes):
    check_manifest(made("a"))
    with pytest.raises(InvalidInputError):
        check_manifest(made("a", **changes))


def test_what_is_checked_out_is_all_there_or_not_at_all(tmp_path):
    write(tmp_path / "m", {"a": b"1", "b/c": b"2"})
    packed, store = pack(tmp_path / "m", (), ONNX, Said()), LocalStore(tmp_path / "store")
    for file in packed.manifest.files:
        send_file(store, packed.places[file.path], file.sha256, file.size)
    (tmp_path / "out").mkdir()
    assert check_out(store, packed.manifest, tmp_path / "out") == tmp_path / "out"
    assert digest(tmp_path / "out") == packed.manifest.digest
    with pytest.raises(ConflictError, match="not empty"):
        check_out(store, packed.manifest, tmp_path / "out")
    [blob] = (tmp_path / "store").rglob(packed.manifest.files[1].sha256)
    blob.write_bytes(b"3")
    with pytest.raises(InvalidModelError, match="damaged"):
        check_out(store, packed.manifest, tmp_path / "again")
    assert sorted(child.name for child in tmp_path.iterdir()) == ["m", "out", "store"]


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("fraud", ("fraud", None)),
        ("fraud@latest", ("fraud", None)),
        ("fraud@3", ("fraud", 3)),
        ("a b@x.y", ("a b", "x.y")),
    ],
)
def test_references(text, reference):
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "@3", "fraud@", "fraud@0", "fraud@-1", "fraud@a b", "fraud@none", "fra/ud@3"])
def test_what_is_no_reference(text):
    with pytest.raises(InvalidInputError):
        parse_reference(text)


def test_moments():
    assert parse_moment("1970-01-01T00:00:01Z") == 1_000_000
    assert parse_moment("1970-01-01T01:00:01.5+01:00") == 1_500_000
    with pytest.raises(InvalidInputError):
        parse_moment("11/03/2026")
