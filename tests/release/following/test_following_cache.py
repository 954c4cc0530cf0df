"""The cache has whole and verified contents or none, with several processes on it and after a crash."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from following_cases import times_model

from modelport.artifacts.local import LocalStore
from modelport.artifacts.manifest import Manifest
from modelport.artifacts.uploads import send_file
from modelport.core.errors import InvalidModelError, NotFoundError, UnavailableError
from modelport.registry.packing import Inspected, Said, pack
from modelport.release.following.artifacts import artifact_in
from modelport.release.following.cache import ContentCache, content_key


def stored(store, path):
    """A model in a store; gives its manifest."""
    packed = pack(path, (), Inspected("onnx"), Said())
    for file in packed.manifest.files:
        send_file(store, packed.places[file.path], file.sha256, file.size)
    return packed.manifest


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "artifacts")


@pytest.fixture
def manifest(store, tmp_path):
    return stored(store, times_model(tmp_path / "in" / "times.onnx", 2))


@pytest.fixture
def cache(tmp_path):
    return ContentCache(tmp_path / "cache")


def names(cache):
    return sorted(child.name for child in cache.folder.iterdir() if child.name != ".locks")


class Broken:
    """A store that nobody may ask."""

    def read(self, digest):
        raise AssertionError(f"{digest} is read")


def test_a_content_is_fetched_once_and_found_again_by_another_process(cache, store, manifest, tmp_path):
    assert not cache.has(manifest)
    folder = cache.keep(store, manifest)
    assert names(cache) == [content_key(manifest)]
    assert (folder / "times.onnx").read_bytes() == (tmp_path / "in/times.onnx").read_bytes()
    assert cache.has(manifest)
    assert cache.keep(Broken(), manifest) == folder
    other = ContentCache(cache.folder)
    assert not other.has(manifest)
    assert other.keep(None, manifest) == folder
    assert other.has(manifest)


def test_what_was_changed_on_the_disk_is_fetched_anew(cache, store, manifest):
    whole = cache.keep(store, manifest) / "times.onnx"
    content = whole.read_bytes()
    for damage in (lambda: whole.write_bytes(content[:-1] + b"x"), lambda: whole.with_name("modelport.toml").touch()):
        damage()
        assert ContentCache(cache.folder).keep(store, manifest) == whole.parent
        assert whole.read_bytes() == content
        assert os.listdir(whole.parent) == ["times.onnx"]
    whole.unlink()
    with pytest.raises(UnavailableError, match=f"sha256:{manifest.digest} is not in .*cache"):
        ContentCache(cache.folder).keep(None, manifest)
    assert names(cache) == []


def test_what_can_t_be_had_whole_is_not_there(cache, store, manifest):
    blob = next(store._blobs.glob("*/*"))
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(InvalidModelError, match="damaged where it is stored"):
        cache.keep(store, manifest)
    assert (names(cache), cache.has(manifest)) == ([], False)
    blob.unlink()
    with pytest.raises(NotFoundError, match="not in the artifact store"):
        cache.keep(store, manifest)
    assert names(cache) == []


def test_a_cache_that_can_t_be_written_is_told(store, manifest, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"the cache .*file/cache can't be written"):
        ContentCache(tmp_path / "file" / "cache").keep(store, manifest)


class Waiting:
    """A store that gives half of a content, says so to the other end, and the rest when that answers."""

    def __init__(self, store, end):
        self._store, self._end = store, end

    def read(self, digest):
        for chunk in self._store.read(digest):
            yield chunk[: len(chunk) // 2]
            self._end.send("half")
            self._end.recv()
            yield chunk[len(chunk) // 2 :]


def fetch(folder: Path, store: LocalStore, manifest: Manifest, end) -> None:
    ContentCache(folder).keep(Waiting(store, end), manifest)


@pytest.fixture
def fetching(cache, store, manifest):
    """A process in the middle of fetching the content, and what lets it go on."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=fetch, args=(cache.folder, store, manifest, there))
    process.start()
    assert here.poll(30)
    yield process, lambda: here.send("go on")
    process.kill()
    process.join(30)


def test_killed_in_the_middle_it_leaves_nothing_that_counts_and_the_next_one_fetches(cache, store, manifest, fetching):
    process, _ = fetching
    assert [name.startswith(f".{content_key(manifest)}-") for name in names(cache)] == [True]
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    with pytest.raises(UnavailableError):
        cache.keep(None, manifest)
    cache.keep(store, manifest)
    assert names(cache) == [content_key(manifest)]


def test_who_wants_the_same_waits_for_it_and_fetches_nothing(cache, manifest, fetching):
    process, go = fetching
    got = []
    thread = threading.Thread(target=lambda: got.append(cache.keep(Broken(), manifest)))
    thread.start()
    time.sleep(0.2)
    assert got == []
    go()
    thread.join(30)
    process.join(30)
    assert (got, process.exitcode) == ([cache.folder / content_key(manifest)], 0)


def test_who_waits_for_another_is_stopped(cache, manifest, fetching):
    errors = []

    def wait():
        try:
            cache.keep(Broken(), manifest)
        except Exception as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    cache.stop()
    thread.join(30)
    assert errors == ["the server stops"]


def test_what_nobody_wants_any_more_goes_after_a_while(cache, store, manifest, tmp_path):
    other = stored(store, times_model(tmp_path / "in" / "other.onnx", 3))
    for item in (manifest, other):
        os.utime(cache.keep(store, item), (1000, 1000))
    left = cache.folder / f".{'0' * 64}-abc"
    left.mkdir()
    os.utime(left, (1000, 1000))
    (cache.folder / "desired.json").touch()
    os.utime(cache.folder / "desired.json", (1000, 1000))
    cache.touch([content_key(other)])
    assert cache.sweep(set(), 3600) == 2
    assert names(cache) == sorted([content_key(other), "desired.json"])
    assert not cache.has(manifest)
    assert cache.sweep({content_key(other)}, -60) == 0
    assert cache.sweep(set(), -60) == 1
    cache.keep(store, manifest)


def test_an_artifact_is_known_by_its_content_and_called_as_its_files_say(cache, store, tmp_path):
    folder = tmp_path / "in"
    times_model(folder / "plain.onnx", 2)
    (folder / "modelport.toml").write_text('[models.plain]\ndescription = "mine"\n')
    manifest = stored(store, folder / "plain.onnx")
    artifact = artifact_in(cache.keep(store, manifest), manifest)
    assert artifact.path.name == "plain.onnx"
    assert artifact.model_file("fraud").tables["description"] == "mine"
    again = ContentCache(tmp_path / "elsewhere")
    assert artifact_in(again.keep(store, manifest), manifest).fingerprint == artifact.fingerprint


def test_a_folder_is_one_model(cache, store, tmp_path):
    folder = tmp_path / "in" / "whole"
    times_model(folder / "model.onnx", 2)
    (folder / "modelport.toml").write_text('description = "a folder"\n')
    manifest = stored(store, folder)
    artifact = artifact_in(cache.keep(store, manifest), manifest)
    assert artifact.path.name == "model.onnx"
    assert artifact.model_file("fraud").tables["description"] == "a folder"


def test_several_models_are_none(cache, store, tmp_path):
    for name in ("a", "b"):
        times_model(tmp_path / "in" / "many" / f"{name}.onnx", 2)
    manifest = stored(store, tmp_path / "in" / "many")
    with pytest.raises(InvalidModelError, match="should be one model; in 'many' there are: a, b"):
        artifact_in(cache.keep(store, manifest), manifest)
