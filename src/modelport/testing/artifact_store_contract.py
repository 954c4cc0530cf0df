"""What every artifact store must hold to, as a pytest suite: subclass `ArtifactStoreContract` and say how to open it.

class TestMyStore(ArtifactStoreContract):
    @pytest.fixture
    def open_store(self):
        return lambda: MyStore(..., part_size=self.part_size)

    def damage(self, digest):
        ...
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from modelport.artifacts.base import ArtifactStore
from modelport.artifacts.collection import collect
from modelport.artifacts.uploads import send_bytes, send_file
from modelport.core.errors import InvalidInputError, InvalidModelError, NotFoundError

OpenStore = Callable[[], ArtifactStore]


def sha256(content: bytes) -> str:
    """The digest of a content."""
    return hashlib.sha256(content).hexdigest()


class _Counting:
    """A store that counts the parts that are sent to it, and breaks off before the one of that number."""

    def __init__(self, store: ArtifactStore, breaks: int | None = None) -> None:
        self._store, self._breaks = store, breaks
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_part(self, digest: str, size: int, number: int, content: bytes) -> None:
        if number == self._breaks:
            raise ConnectionAbortedError
        self.sent.append(number)
        self._store.put_part(digest, size, number, content)


class ArtifactStoreContract:
    """The suite. Override the fixture `open_store` and the method `damage`."""

    #: The part size that the stores are opened with.
    part_size = 1000

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Opens the store under test, each time anew and with what it had."""
        raise NotImplementedError("override the fixture `open_store`")

    def damage(self, digest: str) -> None:
        """Change a byte of that content behind the store's back."""
        raise NotImplementedError("override the method `damage`")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> ArtifactStore:
        """The store under test."""
        return open_store()

    def content(self, parts: float, seed: int = 0) -> bytes:
        """Content of so many parts, another one for each seed."""
        size = int(parts * self.part_size)
        block = hashlib.sha256(str(seed).encode()).digest()
        return (block * (size // len(block) + 1))[:size]

    def send(self, store: ArtifactStore, content: bytes, folder: Path, name: str = "file") -> str:
        """Send a file of that content; gives its digest."""
        path, digest = folder / name, sha256(content)
        path.write_bytes(content)
        send_file(store, path, digest, len(content))
        return digest

    @pytest.mark.parametrize("parts", [0, 0.1, 1, 1.5, 3])
    def test_content_comes_back_as_it_was_sent(self, open_store: OpenStore, tmp_path: Path, parts: float) -> None:
        content = self.content(parts)
        digest = self.send(open_store(), content, tmp_path)
        store = open_store()
        assert store.size(digest) == len(content)
        assert b"".join(store.read(digest)) == content
        numbers = range(max(1, -(-len(content) // self.part_size)))
        assert b"".join(store.part(digest, number) for number in numbers) == content
        assert [(item.digest, item.size) for item in store.stored()] == [(digest, len(content))]

    def test_what_is_not_there_is_said_so(self, store: ArtifactStore) -> None:
        digest = sha256(b"nothing")
        assert store.size(digest) is None
        assert store.parts(digest, 7) == frozenset()
        with pytest.raises(NotFoundError, match=digest):
            list(store.read(digest))
        with pytest.raises(NotFoundError, match=digest):
            store.part(digest, 0)
        store.remove(digest)
        assert list(store.stored()) == []

    def test_an_upload_that_broke_off_goes_on_where_it_stopped(self, open_store: OpenStore, tmp_path: Path) -> None:
        content = self.content(4.5)
        path, digest = tmp_path / "file", sha256(content)
        path.write_bytes(content)
        first = _Counting(open_store(), breaks=3)
        with pytest.raises(ConnectionAbortedError):
            send_file(first, path, digest, len(content))  # type: ignore[arg-type]
        store = open_store()
        assert first.sent == [0, 1, 2]
        assert store.size(digest) is None
        assert list(store.stored()) == []
        again = _Counting(store)
        send_file(again, path, digest, len(content))  # type: ignore[arg-type]
        assert again.sent == [3, 4]
        assert b"".join(store.read(digest)) == content

    def test_sending_what_is_there_costs_nothing(self, store: ArtifactStore, tmp_path: Path) -> None:
        content = self.content(2.5)
        digest = self.send(store, content, tmp_path)
        counting = _Counting(store)
        send_file(counting, tmp_path / "file", digest, len(content))  # type: ignore[arg-type]
        assert counting.sent == []
        store.finish(digest, len(content))
        assert store.parts(digest, len(content)) == frozenset()

    def test_an_upload_is_not_finished_without_all_parts(self, store: ArtifactStore) -> None:
        content = self.content(3)
        digest, size = sha256(content), len(content)
        with pytest.raises(InvalidInputError):
            store.finish(digest, size)
        for number in (0, 2):
            store.put_part(digest, size, number, content[number * self.part_size :][: self.part_size])
        assert store.parts(digest, size) == {0, 2}
        with pytest.raises(InvalidInputError, match="part 1 of 3"):
            store.finish(digest, size)
        assert store.size(digest) is None
        store.put_part(digest, size, 1, content[self.part_size :][: self.part_size])
        store.finish(digest, size)
        assert b"".join(store.read(digest)) == content

    @pytest.mark.parametrize("parts", [0.5, 2.5])
    def test_content_of_another_digest_is_thrown_away(self, store: ArtifactStore, tmp_path: Path, parts: float) -> None:
        content = self.content(parts)
        other, size = self.content(parts, seed=1), len(content)
        with pytest.raises(InvalidInputError, match="send it again"):  # noqa: PT012 - one of the calls finds it
            for number in range(-(-size // self.part_size)):
                piece = other[number * self.part_size :][: self.part_size]
                store.put_part(sha256(content), size, number, piece)
            store.finish(sha256(content), size)
        assert store.size(sha256(content)) is None
        assert store.parts(sha256(content), size) == frozenset()
        digest = self.send(store, content, tmp_path)
        assert b"".join(store.read(digest)) == content

    def test_a_file_that_changes_while_it_is_sent_is_refused(self, store: ArtifactStore, tmp_path: Path) -> None:
        content = self.content(2.5)
        path = tmp_path / "file"
        path.write_bytes(self.content(2.5, seed=1))
        with pytest.raises(InvalidModelError, match="changed"):
            send_file(store, path, sha256(content), len(content))
        assert list(store.stored()) == []

    def test_parts_of_the_wrong_size_or_number_are_refused(self, store: ArtifactStore) -> None:
        content = self.content(2.5)
        digest, size = sha256(content), len(content)
        for number, piece in ((0, content[:10]), (2, content[: self.part_size]), (3, b""), (-1, content)):
            with pytest.raises(InvalidInputError):
                store.put_part(digest, size, number, piece)
        assert store.parts(digest, size) == frozenset()

    @pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
    def test_what_is_no_digest_is_refused(self, store: ArtifactStore, digest: str) -> None:
        for call in (
            lambda: store.size(digest),
            lambda: store.parts(digest, 1),
            lambda: store.put_part(digest, 1, 0, b"x"),
            lambda: store.finish(digest, 1),
            lambda: list(store.read(digest)),
            lambda: store.part(digest, 0),
            lambda: store.remove(digest),
        ):
            with pytest.raises(InvalidInputError, match="not a sha256"):
                call()

    @pytest.mark.parametrize("parts", [0.5, 2.5])
    def test_damage_is_found_when_it_is_read(self, store: ArtifactStore, tmp_path: Path, parts: float) -> None:
        content = self.content(parts)
        digest = self.send(store, content, tmp_path)
        self.damage(digest)
        with pytest.raises(InvalidModelError, match="damaged"):
            list(store.read(digest))

    def test_many_send_the_same_at_once(self, open_store: OpenStore, tmp_path: Path) -> None:
        content = self.content(5.5)
        path, digest = tmp_path / "file", sha256(content)
        path.write_bytes(content)
        barrier = threading.Barrier(4)

        def send(store: ArtifactStore) -> None:
            barrier.wait(30)
            send_file(store, path, digest, len(content))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, [open_store() for _ in range(4)]))
        assert b"".join(open_store().read(digest)) == content
        open_store().abandon(time.time() + 3600)
        assert [item.digest for item in open_store().stored()] == [digest]

    def test_collection_takes_what_is_old_and_not_named(self, store: ArtifactStore, tmp_path: Path) -> None:
        named = self.send(store, self.content(2.5), tmp_path)
        other = self.send(store, self.content(1.5, seed=1), tmp_path, "other")
        young = collect(store, lambda digests: nullcontext(set()), grace=3600)
        assert (young.contents, young.uploads) == (0, 0)
        dry = collect(store, lambda digests: nullcontext({named}), grace=-3600, dry=True)
        assert (dry.contents, dry.size) == (1, 1.5 * self.part_size)
        assert store.size(other) is not None
        assert collect(store, lambda digests: nullcontext({named}), grace=-3600).contents == 1
        assert store.size(other) is None
        assert b"".join(store.read(named)) == self.content(2.5)

    def test_uploads_that_were_given_up_are_thrown_away(self, store: ArtifactStore) -> None:
        content = self.content(2.5)
        store.put_part(sha256(content), len(content), 0, content[: self.part_size])
        assert store.abandon(time.time() - 3600) == 0
        assert store.parts(sha256(content), len(content)) == {0}
        assert store.abandon(time.time() + 3600) == 1
        assert store.parts(sha256(content), len(content)) == frozenset()

    def test_bytes_are_sent_too(self, store: ArtifactStore) -> None:
        digest = send_bytes(store, b"a manifest")
        assert send_bytes(store, b"a manifest") == digest
        assert b"".join(store.read(digest)) == b"a manifest"
