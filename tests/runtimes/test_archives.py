"""Archives that were made to do harm are refused, and leave nothing behind."""

import io
import tarfile
import zipfile

import pytest

from modelport.core.errors import InvalidModelError
from modelport.runtimes.archives import ArchiveLimits, unpack

FILES = {"model.py": b"code", "data/weights.bin": bytes(range(256)) * 100}
BAD_NAMES = ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..", "a\\..\\..\\out.txt", "C:/out.txt"]


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            add(archive, name, content)
    return path


def add(archive, name, content=b"", kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, target
    archive.addfile(info, io.BytesIO(content))


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("make", [make_zip, make_tar, lambda path, files: make_tar(path, files, "w:gz")])
def test_an_archive_is_unpacked_as_it_is(tmp_path, make):
    made = unpack(make(tmp_path / "model.mar", FILES), tmp_path / "out")
    assert files_below(tmp_path / "out") == FILES
    assert {path.relative_to(tmp_path / "out").as_posix() for path in made} == set(FILES)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_that_lead_out(tmp_path, make, name):
    archive = make(tmp_path / "model.mar", {"fine.txt": b"x", name: b"y"})
    before = files_below(tmp_path)
    with pytest.raises(InvalidModelError, match="outside of the folder"):
        unpack(archive, tmp_path / "out")
    assert files_below(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "a"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_in_a_tar(tmp_path, kind, target):
    path = tmp_path / "model.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "link", kind=kind, target=target)
        add(archive, "link/passwd", b"x")
    with pytest.raises(InvalidModelError, match="'link', a link or a device"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_in_a_zip(tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    with pytest.raises(InvalidModelError, match="a link or a device"):
        unpack(path, tmp_path / "out")


def test_a_link_that_was_there_before_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidModelError, match="link to elsewhere"):
        unpack(make_zip(tmp_path / "model.zip", FILES), tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "out" / "model.py").exists()


@pytest.mark.parametrize("make", [make_zip, lambda path, files: make_tar(path, files, "w:xz")])
def test_a_decompression_bomb(tmp_path, make):
    archive = make(tmp_path / "model.zip", {"zeros": bytes(8 << 20)})
    with pytest.raises(InvalidModelError, match="decompression bomb"):
        unpack(archive, tmp_path / "out", ArchiveLimits(ratio=10, free_bytes=1 << 20))
    with pytest.raises(InvalidModelError, match="more than 4 MiB"):
        unpack(archive, tmp_path / "out", ArchiveLimits(total_bytes=4 << 20))
    assert not (tmp_path / "out").exists()


def test_a_size_that_is_a_lie(tmp_path):
    archive = make_zip(tmp_path / "model.zip", {"zeros": bytes(8 << 20)})
    content = archive.read_bytes().replace((8 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(content)
    with pytest.raises(InvalidModelError):
        unpack(archive, tmp_path / "out", ArchiveLimits(ratio=10, free_bytes=1 << 20))
    assert not (tmp_path / "out").exists()


def test_too_many_files(tmp_path):
    archive = make_zip(tmp_path / "model.zip", {f"{number}.txt": b"" for number in range(20)})
    with pytest.raises(InvalidModelError, match="more than 10 files"):
        unpack(archive, tmp_path / "out", ArchiveLimits(files=10))


def test_two_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("a.txt", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", "two")
    with pytest.raises(InvalidModelError, match="twice"):
        unpack(tmp_path / "model.zip", tmp_path / "out")


@pytest.mark.parametrize("make", [make_zip, lambda path, files: make_tar(path, files, "w:gz")])
def test_a_damaged_archive(tmp_path, make):
    archive = make(tmp_path / "model.zip", FILES)
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(InvalidModelError, match=r"model\.zip"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InvalidModelError, match=r"model\.zip"):
        unpack(path, tmp_path / "out")
    with pytest.raises(InvalidModelError, match="nowhere"):
        unpack(tmp_path / "nowhere.zip", tmp_path / "out")
