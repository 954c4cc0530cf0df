"""The digest that names an artifact, and the fingerprint that tells that it changed."""

import hashlib
import os
import shutil

import pytest

from modelport.artifacts.digest import digest, fingerprint
from modelport.core.errors import InvalidModelError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "artifact"
    (made / "inner").mkdir(parents=True)
    (made / "b.bin").write_bytes(b"b")
    (made / "a.bin").write_bytes(b"a")
    (made / "inner/c.bin").write_bytes(b"")
    return made


def test_the_digest_of_a_file_is_what_sha256sum_says(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"x" * 3_000_000)
    assert digest(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_the_digest_of_a_folder_is_that_of_the_list_of_its_files(folder):
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("a.bin", b"a"), ("b.bin", b"b"), ("inner/c.bin", b""))
    )
    assert digest(folder) == hashlib.sha256(lines.encode()).hexdigest()


def test_neither_place_nor_time_nor_empty_folders_change_it(folder, tmp_path):
    before = digest(folder)
    copy = shutil.copytree(folder, tmp_path / "elsewhere/copy")
    (copy / "empty").mkdir()
    os.utime(copy / "a.bin", (1, 1))
    assert digest(copy) == before


def renamed(folder):
    (folder / "a.bin").rename(folder / "z.bin")


def moved(folder):
    (folder / "a.bin").rename(folder / "inner/a.bin")


def swapped(folder):
    (folder / "a.bin").write_bytes(b"b")
    (folder / "b.bin").write_bytes(b"a")


def added(folder):
    (folder / "new").write_bytes(b"")


def changed(folder):
    (folder / "a.bin").write_bytes(b"A")


@pytest.mark.parametrize("change", [renamed, moved, swapped, added, changed])
def test_every_change_of_content_or_name_changes_it(folder, change):
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_links_to_nothing_are_no_files(folder, tmp_path):
    before = digest(folder)
    (folder / "loop").symlink_to(tmp_path / "nowhere")
    assert digest(folder) == before


def test_a_file_that_can_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InvalidModelError, match=r"m\.onnx can't be read: Permission denied"):
        digest(path)


def test_a_fingerprint_tells_size_time_and_name(folder):
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    assert [name for name, _, _ in before] == ["a.bin", "b.bin", "inner/c.bin"]
    os.utime(folder / "a.bin", (1, 1))
    touched = fingerprint(folder)
    assert touched != before
    (folder / "inner/c.bin").unlink()
    assert len(fingerprint(folder)) == 2
    assert fingerprint(folder / "nothing") == ()
    assert fingerprint(folder / "b.bin")[0][:2] == ("b.bin", 1)
