"""The store in a folder: the contract, and what a crash leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelport.artifacts.durable import TEMPORARY
from modelport.artifacts.local import LocalStore
from modelport.core.errors import UnavailableError
from modelport.testing.artifact_store_contract import ArtifactStoreContract, sha256

WRITER = """
import sys
from pathlib import Path
from modelport.artifacts.local import LocalStore
from modelport.artifacts.uploads import send_file
import hashlib
store = LocalStore(Path(sys.argv[1]), part_size=100_000)
path = Path(sys.argv[2])
for number in range(10_000):
    content = number.to_bytes(8, "big") * 40_000
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    send_file(store, path, digest, len(content))
    print(digest, flush=True)
"""


class TestLocalStore(ArtifactStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        self.folder = tmp_path / "store"
        return lambda: LocalStore(self.folder, self.part_size)

    def damage(self, digest):
        [blob] = self.folder.rglob(digest)
        content = bytearray(blob.read_bytes())
        content[-1] ^= 1
        blob.write_bytes(content)

    def test_nothing_but_the_content_is_left(self, store, tmp_path):
        digest = self.send(store, self.content(3.5), tmp_path)
        assert [file.name for file in self.folder.rglob("*") if file.is_file()] == [digest]
        assert list((self.folder / "uploads").iterdir()) == []

    def test_half_written_files_are_no_content_and_go(self, store):
        folder = self.folder / "blobs" / "ab"
        folder.mkdir()
        (folder / f"{TEMPORARY}abc").write_bytes(b"half")
        assert list(store.stored()) == []
        assert store.abandon(time.time() - 3600) == 0
        assert store.abandon(time.time() + 3600) == 1
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("lines", [1, 3, 7])
def test_a_killed_sender_leaves_whole_content_only(tmp_path, lines):
    command = [sys.executable, "-c", WRITER, tmp_path / "store", tmp_path / "file"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        sent = [process.stdout.readline().strip() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        sent += process.stdout.read().split()
    store = LocalStore(tmp_path / "store", 100_000)
    there = {item.digest for item in store.stored()}
    assert there.issuperset(sent)
    for digest in there:
        assert sha256(b"".join(store.read(digest))) == digest


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="file"):
        LocalStore(Path(tmp_path / "file" / "store"))
    assert os.listdir(tmp_path) == ["file"]
