"""Labelled data in the artifact store, and evaluations of the registry's versions."""

import hashlib

import pytest

from modelport.artifacts.uploads import send_bytes
from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.release.promotion.datasets import fetch_data, store_data
from modelport.release.promotion.evaluating import evaluate_version
from modelport.release.promotion.wish import DataRef, EvaluationWish
from release.cancer_models import BY, push


def test_a_file_is_stored_once_and_found_again(registry, cancer, tmp_path):
    stored = store_data(registry.store, cancer / "test.csv", "label")
    content = (cancer / "test.csv").read_bytes()
    assert stored == DataRef(hashlib.sha256(content).hexdigest(), "test.csv", "label")
    assert store_data(registry.store, cancer / "test.csv", "label") == stored
    assert fetch_data(registry.store, stored, tmp_path / "out").read_bytes() == content


def test_a_folder_of_classes_comes_back_as_it_was(registry, tmp_path):
    faces = tmp_path / "faces"
    for name, content in (("glad/1.png", b"one"), ("sad/2.png", b"two"), ("sad/empty.png", b"")):
        (faces / name).parent.mkdir(parents=True, exist_ok=True)
        (faces / name).write_bytes(content)
    stored = store_data(registry.store, faces)
    assert stored.name == "faces.tar"
    assert store_data(registry.store, faces) == stored
    found = fetch_data(registry.store, stored, tmp_path / "out")
    assert found == tmp_path / "out" / "faces"
    files = {path.relative_to(found).as_posix(): path.read_bytes() for path in found.rglob("*") if path.is_file()}
    assert files == {"glad/1.png": b"one", "sad/2.png": b"two", "sad/empty.png": b""}


@pytest.mark.parametrize("name", ["../out.csv", "", "a/b.csv", ".."])
def test_a_name_leads_nowhere(name, registry, tmp_path):
    digest = send_bytes(registry.store, b"a,label\n1,2\n")
    with pytest.raises(InvalidInputError, match="which no file can be"):
        fetch_data(registry.store, DataRef(digest, name), tmp_path / "out")


def test_what_is_no_archive_or_not_there(registry, tmp_path):
    digest = send_bytes(registry.store, b"no archive")
    with pytest.raises(InvalidInputError, match=r"the labelled data x.tar: x.tar is a damaged archive"):
        fetch_data(registry.store, DataRef(digest, "x.tar"), tmp_path / "out")
    with pytest.raises(NotFoundError):
        fetch_data(registry.store, DataRef("0" * 64, "x.csv"), tmp_path / "other")
    with pytest.raises(InvalidInputError, match="there is no data set"):
        store_data(registry.store, tmp_path / "missing.csv")


def test_an_evaluation_is_kept_with_its_gates(registry, cancer):
    bad = push(registry, cancer / "bad.onnx")
    data = store_data(registry.store, cancer / "test.csv", "label")
    gates = ("accuracy >= production", "p99_ms < 10000")
    alone = evaluate_version(registry, EvaluationWish("fraud", bad, data, gates=("signature any",), resamples=0), BY)
    assert alone.verdicts[0].passed
    made = evaluate_version(registry, EvaluationWish("fraud", bad, data, compare=1, gates=gates, resamples=0), BY)
    assert [item.passed for item in made.verdicts] == [False, True]
    record = registry.evaluation(made.evaluation)
    assert (record.version, record.dataset_digest) == (bad, data.digest)
    assert record.document["comparison"]["other"]["model"]["version"] == "1"
    assert registry.history("fraud", limit=1)[0].kind == "evaluated"
    with pytest.raises(InvalidInputError, match="name that version with --compare"):
        evaluate_version(registry, EvaluationWish("fraud", bad, data, gates=gates), BY)
