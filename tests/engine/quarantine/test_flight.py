"""What a dead worker was computing can be read from its file, to the row."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from modelport.engine.quarantine.flight import NO_SLOT, TOO_LARGE, Flight, about, read_flight
from modelport.engine.quarantine.identity import full_key, rows_of, sample_key

DIGEST = "ab" * 32
ABOUT = about("fraud", 3, DIGEST)


def keys(inputs, rows):
    return [(sample_key(row), full_key(row)) for row in rows_of(inputs, rows)]


def read(path):
    return [(row.sample, row.full) for row in read_flight(path)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker-0.flight"


def test_what_is_in_flight_is_there_until_it_ends(path):
    flight = Flight(path)
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(3, 2), "y": np.array([[1], [2], [3]])}
    slot = flight.begin(ABOUT, inputs, 3)
    found = read_flight(path)
    assert [(row.model, row.version, row.digest) for row in found] == [("fraud", 3, DIGEST)] * 3
    assert read(path) == keys(inputs, 3)
    assert len(set(read(path))) == 3
    flight.end(slot)
    assert read(path) == []


def test_a_row_is_the_same_alone_and_among_others(path):
    flight = Flight(path)
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    flight.begin(ABOUT, {"x": rows}, 4)
    flight.begin(ABOUT, {"x": rows[2:3].copy()}, 1)
    assert read(path)[0] == read(path)[3]


def test_a_model_without_rows_is_one_as_a_whole(path):
    flight, inputs = Flight(path), {"x": np.arange(4.0), "scale": np.array(2.0)}
    flight.begin(ABOUT, inputs, 1)
    assert read(path) == keys(inputs, 1)


@pytest.mark.parametrize(
    "array",
    [
        np.array([[b"one", b"two"], ["zwölf".encode(), b""]], np.object_),
        np.arange(40_000, dtype=np.float32).reshape(2, -1),
        np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::2],
        np.ones((2, 4), ml_dtypes.bfloat16),
        np.zeros((2, 0), np.float32),
    ],
    ids=["texts", "large", "strided", "bfloat16", "empty"],
)
def test_inputs_of_any_kind_have_keys(path, array):
    flight = Flight(path)
    slot = flight.begin(ABOUT, {"x": array}, 2)
    if slot == TOO_LARGE:
        slot = flight.begin_rows(ABOUT, rows_of({"x": array}, 2), sure=False)
        assert [full for _, full in read(path)] == [None, None]
    assert [sample for sample, _ in read(path)] == [sample for sample, _ in keys({"x": array}, 2)]
    flight.end(slot)
    flight.begin_rows(ABOUT, rows_of({"x": array}, 2), sure=True)
    assert read(path) == keys({"x": array}, 2)


def test_samples_of_large_rows_tell_most_of_them_apart_and_full_keys_all():
    first = np.zeros((1, 100_000), np.uint8)
    second = first.copy()
    second[0, 17] = 1
    third = np.ones((1, 100_000), np.uint8)
    (one,), (two,), (three,) = (rows_of({"x": array}, 1) for array in (first, second, third))
    assert sample_key(one) == sample_key(two) != sample_key(three)
    assert len({full_key(one), full_key(two), full_key(three)}) == 3


def test_inputs_are_told_apart_by_where_one_ends():
    one, two = ({"x": np.array([1, 2], np.int8), "y": np.array([3], np.int8)} for _ in range(2))
    two = {"x": two["x"][:1], "y": np.array([2, 3], np.int8)}
    assert full_key(rows_of(one, 1)[0]) != full_key(rows_of(two, 1)[0])


def test_more_predictions_at_a_time_than_slots_are_not_noted(path):
    flight, inputs = Flight(path), {"x": np.ones((1, 1), np.float32)}
    slots = [flight.begin(ABOUT, inputs, 1) for _ in range(70)]
    assert slots.count(NO_SLOT) == 6
    assert flight.begin_rows(ABOUT, rows_of(inputs, 1), sure=True) == NO_SLOT
    for slot in slots:
        flight.end(slot)
    assert read(path) == []
    assert flight.begin(ABOUT, inputs, 1) >= 0


def test_a_new_worker_begins_with_an_empty_file(path):
    Flight(path).begin(ABOUT, {"x": np.ones((1, 1), np.float32)}, 1)
    assert len(read(path)) == 1
    Flight(path)
    assert read(path) == []
    assert read_flight(path.with_name("nobody.flight")) == []
