"""Whether a model fits, for one process and for all workers together."""

from __future__ import annotations

import contextlib

import pytest

from modelport.core.errors import OutOfResourcesError
from modelport.engine.lifecycle import admission as module
from modelport.engine.lifecycle.admission import Admission
from modelport.server.shared_document import in_folder

MB = 1_000_000


def files(megabytes, when=1):
    return (("model.onnx", megabytes * MB, when),)


@pytest.fixture
def workers(tmp_path):
    """Admissions of workers that share a folder, and the memory that is left, which loads change."""
    left = {"bytes": 1000 * MB}

    def make(count=2, **options):
        return [
            Admission(in_folder(tmp_path, "admission"), count, available=lambda: left["bytes"], **options)
            for _ in range(count)
        ]

    make.left = left
    return make


def load(admission, megabytes, name="m", when=1):
    with admission.admitted(name, 1, files(megabytes, when)):
        pass


def test_what_does_not_fit_is_refused_with_the_numbers():
    alone = Admission(reserve=100 * MB, available=lambda: 600 * MB)
    load(alone, 500)
    with pytest.raises(
        OutOfResourcesError, match=r"m@1 does not fit: it needs about 501 MB of memory, but 500 MB are"
    ) as caught:
        load(alone, 501)
    assert "beside the 100 MB that are kept free" in str(caught.value)


def test_small_models_are_weighed_too():
    with pytest.raises(OutOfResourcesError, match="needs about 2,000,000 bytes of memory, but 10 bytes are left"):
        load(Admission(available=lambda: 10), 2)


def test_each_worker_loads_a_copy_and_either_all_do_or_none(workers):
    first, second = workers()
    load(first, 500)
    workers.left["bytes"] = 500 * MB  # the first one's copy is there
    load(second, 500)
    workers.left["bytes"] = 1000 * MB
    for worker in (first, second):
        with pytest.raises(OutOfResourcesError, match="about 501 MB in each of 2 workers of memory, but 1,000 MB"):
            load(worker, 501, when=2)


def test_what_others_are_about_to_load_counts(workers):
    first, second = workers()
    with contextlib.ExitStack() as loading:
        loading.enter_context(first.admitted("a", 1, files(300)))
        with pytest.raises(OutOfResourcesError, match="but 400 MB are left"):
            load(second, 300, "b")
        loading.enter_context(second.admitted("a", 1, files(300)))
    load(second, 300, "c")


def test_a_decision_is_made_anew_later(workers, monkeypatch):
    first, _ = workers()
    with pytest.raises(OutOfResourcesError):
        load(first, 600)
    workers.left["bytes"] = 2000 * MB
    with pytest.raises(OutOfResourcesError):
        load(first, 600)
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 31)
    load(first, 600)


def test_a_worker_that_starts_again_counts_its_own_copy(workers):
    first, _ = workers(alone=True)
    load(first, 900)
    first.alone = False
    with pytest.raises(OutOfResourcesError, match="in each of 2 workers"):
        load(first, 900)


def test_what_a_load_took_is_remembered_for_the_next_version(monkeypatch):
    resident = iter([0, 600 * MB, 0, 0, 0, 9000 * MB])
    monkeypatch.setattr(module, "resident_memory", lambda: next(resident))
    alone = Admission(available=lambda: 1000 * MB)
    load(alone, 300)
    with pytest.raises(OutOfResourcesError, match="it needs about 1,002 MB"):
        load(alone, 501)
    load(alone, 500)
    load(alone, 999)  # the last load took nothing that was seen: a file's size at least
    with pytest.raises(OutOfResourcesError, match="it needs about 1,200 MB"):
        load(alone, 300)
