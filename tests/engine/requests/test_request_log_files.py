"""Segments: what is committed is read, what a crash or a disk leaves half is not."""

import os
import time

import msgspec
import numpy as np
import pytest

from engine.requests.logged import record
from modelport.core.errors import InvalidInputError, NotFoundError
from modelport.core.request_id import parse_request_id, process_token
from modelport.engine.requests import LoggedRequests, Wanted
from modelport.engine.requests.asked import moment_of
from modelport.engine.requests.files import HEADER, ROW, SegmentName, folder_of, segment_path, segments_in
from modelport.engine.requests.keeping import remove_old
from modelport.engine.requests.record import tensors
from modelport.engine.requests.segment import Segment
from modelport.engine.requests.stored import read, rows_of


def written(folder, records, number=0, commits=1, model="iris", process=None):
    """A closed segment with these records."""
    (folder / model).mkdir(exist_ok=True, parents=True)
    segment = Segment(segment_path(folder / model, "20260101", process or process_token(), number))
    for at in range(commits):
        for item in records[at::commits]:
            segment.add(item)
        assert segment.commit() == len(records[at::commits])
    segment.close()
    return SegmentName(segment.path, model, process or process_token(), number)


def ids(segment):
    return [item.id for item in read(segment, rows_of(segment))]


def test_what_was_committed_is_read_as_it_was(tmp_path):
    records = [record(number) for number in range(5)]
    segment = written(tmp_path, records, commits=2)
    assert sorted(ids(segment)) == sorted(item.id for item in records)
    [first] = read(segment, rows_of(segment)[:1])
    assert first == records[0]
    assert np.array_equal(first.arrays()["X"], np.zeros((1, 4), np.float32))
    assert first.outputs()[0]["y"].dtype == np.int64


def test_nothing_is_there_before_the_commit(tmp_path):
    segment = Segment(segment_path(tmp_path, "20260101", process_token(), 0))
    segment.add(record())
    name = SegmentName(segment.path, "iris", process_token(), 0)
    assert ids(name) == []
    assert segment.commit() == 1
    assert len(ids(name)) == 1
    assert segment.commit() == 0
    segment.close()


def test_more_records_than_the_index_has_room_for(tmp_path):
    assert len(ids(written(tmp_path, [record(number) for number in range(5000)]))) == 5000


@pytest.mark.parametrize("index", ["whole", "torn", "lost", "garbage", "zeros"])
def test_wherever_a_crash_cuts_the_file_what_lies_before_is_whole(tmp_path, index):
    records = [record(number) for number in range(4)]
    segment = written(tmp_path, records)
    data, rows = segment.path.read_bytes(), segment.index.read_bytes()
    ends = [int(row["offset"] + row["length"]) for row in rows_of(segment)]
    broken = {
        "whole": rows,
        "torn": rows[:-7],
        "lost": None,
        "garbage": os.urandom(len(rows)),
        "zeros": bytes(len(rows)),
    }
    if broken[index] is None:
        segment.index.unlink()
    else:
        segment.index.write_bytes(broken[index])
    for cut in range(len(data), -1, -1):
        segment.path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        assert ids(segment) == [item.id for item in records[:whole]], cut


def test_a_record_whose_bytes_changed_is_left_out(tmp_path):
    records = [record(number) for number in range(3)]
    segment = written(tmp_path, records)
    rows = rows_of(segment)
    data = bytearray(segment.path.read_bytes())
    data[int(rows[1]["offset"]) + 20] ^= 1
    segment.path.write_bytes(data)
    assert ids(segment) == [records[0].id, records[2].id]


def test_a_file_of_something_else_is_nothing(tmp_path):
    segment = written(tmp_path, [record()])
    segment.path.write_bytes(b"x" * 1000)
    segment.index.unlink()
    assert ids(segment) == []
    assert LoggedRequests(tmp_path).newest(Wanted()) == []


def test_what_a_full_disk_left_half_is_undone(tmp_path):
    segment = Segment(segment_path(tmp_path, "20260101", process_token(), 0))
    first, lost, later = record(1), record(2), record(3)
    segment.add(first)
    segment.commit()
    size = segment.path.stat().st_size
    soft, hard = _limited(size + 10)
    try:
        segment.add(lost)
        with pytest.raises(OSError, match="large"):
            segment.commit()
    finally:
        _limited(soft, hard)
    assert segment.path.stat().st_size == size
    segment.add(later)
    segment.commit()
    segment.close()
    assert ids(SegmentName(segment.path, "iris", process_token(), 0)) == [first.id, later.id]


def _limited(soft, hard=None):
    """Files may grow no further, as on a full disk; gives the limits before."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, before[1] if hard is None else hard))
    return before


def test_only_its_owner_may_read_it(tmp_path):
    segment = written(tmp_path, [record()])
    assert segment.path.stat().st_mode & 0o077 == 0
    assert segment.index.stat().st_mode & 0o077 == 0


def test_a_request_is_found_by_its_id_in_any_segment(tmp_path):
    records = [record(number) for number in range(60)]
    shuffled = [*records[::2], *records[1::2]]  # answers come out of order
    for number in range(6):
        written(tmp_path, shuffled[number::6], number, model=f"m{number % 2}")
    log = LoggedRequests(tmp_path)
    for item in records:
        assert log.find(item.id) == item
    assert log.models() == ["m0", "m1"]


def test_what_is_not_there_is_not_found(tmp_path):
    written(tmp_path, [record()])
    log = LoggedRequests(tmp_path)
    missing = record().id
    with pytest.raises(NotFoundError, match=missing):
        log.find(missing)
    elsewhere = "0-1-" + "0" * 12 + "5"
    with pytest.raises(NotFoundError, match="was not logged, or is removed"):
        log.find(elsewhere)
    with pytest.raises(InvalidInputError, match="is no request id"):
        log.find("../../etc/passwd")
    with pytest.raises(NotFoundError):
        LoggedRequests(tmp_path / "nowhere").find(missing)


def test_an_id_of_another_version_with_the_same_token_is_not_the_same(tmp_path):
    item = record()
    written(tmp_path, [item])
    parsed = parse_request_id(item.id)
    with pytest.raises(NotFoundError):
        LoggedRequests(tmp_path).find(f"0-2-{parsed.token}")


def test_the_newest_of_all_processes_come_first(tmp_path):
    first = [record(number, at=time.time_ns() + number) for number in range(0, 20, 2)]
    second = [record(number, at=time.time_ns() + number) for number in range(1, 20, 2)]
    written(tmp_path, first)
    written(tmp_path, second, process="0" * 12)
    found = LoggedRequests(tmp_path).newest(Wanted(), 7)
    assert [item.id for item in found] == [item.id for item in sorted(first + second, key=lambda item: -item.at)][:7]


def test_segments_that_are_too_old_are_not_needed_for_the_newest(tmp_path):
    now = time.time_ns()
    old, new = written(tmp_path, [record(at=now - 10**12)]), written(tmp_path, [record(at=now)] * 3, 1)
    os.utime(old.path, ns=(now - 10**12 + 10**9, now - 10**12 + 10**9))
    old.path.chmod(0o600)
    found = LoggedRequests(tmp_path).newest(Wanted(), 3)
    assert {item.at for item in found} == {now}
    assert new.path.exists()
    assert len(LoggedRequests(tmp_path).newest(Wanted(), 10)) == 4


def test_a_list_is_chosen_by_version_error_model_and_time(tmp_path):
    records = [
        record(
            number, version=1 + number % 2, kind="model_failed" if number % 3 == 0 else "", at=time.time_ns() + number
        )
        for number in range(12)
    ]
    written(tmp_path, records)
    written(tmp_path, [record(50, model="other", at=time.time_ns())], 1, model="other")
    log = LoggedRequests(tmp_path)

    def chosen(**wanted):
        return {item.id for item in log.newest(Wanted(model="iris", **wanted), 100)}

    assert chosen() == {item.id for item in records}
    assert chosen(version=2) == {item.id for item in records[1::2]}
    assert chosen(errors=True) == {item.id for item in records[::3]}
    assert chosen(since=records[5].at) == {item.id for item in records[5:]}
    assert chosen(before=records[5].at) == {item.id for item in records[:5]}
    assert len(log.newest(Wanted(), 100)) == 13
    assert chosen(errors=True, version=2, since=records[4].at) == {records[9].id}


def test_old_segments_are_removed_and_open_ones_stay(tmp_path):
    old, new = (written(tmp_path, [record()], number) for number in range(2))
    os.utime(old.path, (time.time() - 40 * 86400,) * 2)
    held = Segment(segment_path(tmp_path / "iris", "20260101", process_token(), 7))
    held.add(record())
    held.commit()
    os.utime(held.path, (time.time() - 90 * 86400,) * 2)
    assert remove_old(tmp_path, "iris", keep_days=30, max_mb=1000) == 1
    assert not old.path.exists()
    assert not old.index.exists()
    assert new.path.exists()
    assert held.path.exists()
    held.close()
    assert remove_old(tmp_path, "iris", keep_days=30, max_mb=1000) == 1
    assert not held.path.exists()


def test_the_oldest_segments_go_until_the_rest_is_small_enough(tmp_path):
    segments = [written(tmp_path, [record(n) for n in range(50)], number) for number in range(6)]
    for number, segment in enumerate(segments):
        os.utime(segment.path, (time.time() - 1000 + number,) * 2)
    size = segments[0].path.stat().st_size + segments[0].index.stat().st_size
    removed = remove_old(tmp_path, "iris", keep_days=30, max_mb=2.5 * size / 1e6)
    assert removed == 4
    assert [segment.path.exists() for segment in segments] == [False] * 4 + [True] * 2
    assert remove_old(tmp_path / "nowhere", "iris", 30, 1) == 0


def test_models_whose_names_are_no_folders_names(tmp_path):
    for name in ("a b", "ä/ö", "plain-1.0"):
        folder = folder_of(tmp_path, name)
        assert folder.parent == tmp_path
        folder.mkdir()
        Segment(segment_path(folder, "20260101", process_token(), 0)).close()
    assert {segment.model for segment in segments_in(tmp_path)} == {"a b", "ä/ö", "plain-1.0"}
    assert HEADER.endswith(b"\n")
    assert ROW.itemsize == 48


def test_large_tensors_are_written_whole(tmp_path):
    array = np.random.default_rng(1).random((1500, 1000), np.float32)
    large = msgspec.structs.replace(record(), inputs=tensors({"X": array}, {}))
    segment = written(tmp_path, [record(1), large, record(2)])
    found = list(read(segment, rows_of(segment)))
    assert [len(item.inputs) for item in found] == [1, 1, 1]
    assert found[1].arrays()["X"].tobytes() == array.tobytes()


@pytest.mark.parametrize("at", [1_795_246_003_347_616_105, 1_795_246_003_999_999_999, 1, 1_700_000_000_000_001_999])
def test_the_moment_of_a_request_is_never_later_than_itself(at):
    assert 0 <= at - moment_of(record(at=at).moment) < 1000


def test_moments_as_people_write_them():
    assert moment_of("") == 0
    assert moment_of("1970-01-01T00:00:01+00:00") == 10**9
    assert abs(moment_of("2h") - (time.time_ns() - 7200 * 10**9)) < 10**10
    assert moment_of("1.5 d") < moment_of("1d") < moment_of("90m") < moment_of("5s")
    for text in ("soon", "5 weeks", "2026-13-01", "-1h"):
        with pytest.raises(InvalidInputError, match="is no time"):
            moment_of(text)
