"""Numbers in shared memory, and how Prometheus reads them."""

import multiprocessing
import random
import time
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from modelport.core.errors import Kind
from modelport.core.messages import InferenceRequest
from modelport.engine.metrics.exposition import exposition
from modelport.engine.metrics.metrics import BUCKETS, BUCKETS_NS, METER_VALUES, STAGES, Meter, Metrics, make_meter
from modelport.engine.metrics.segment import Segment, read_file
from modelport.native import collect

SECOND = 1_000_000_000


def count(metrics, total_ns, rows=1, model="m", dialect="open_inference"):
    """Count an answer that took so long; a fifth of it in each stage but the last, which has the rest."""
    fifth = total_ns // 5
    stamps = SimpleNamespace(received=1000, decoded=1000 + fifth, started=1000 + 2 * fifth, finished=1000 + 3 * fifth)
    metrics.meter(model, 1, dialect).count(stamps, rows, 1000 + total_ns)


def samples(metrics):
    """(name, labels) → value of the exposition, as Prometheus' own parser reads it."""
    found = {}
    for family in parse(exposition(metrics)):
        assert family.name.startswith("modelport_")
        assert family.documentation
        for sample in family.samples:
            key = (sample.name.removeprefix("modelport_"), tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


LABELS = (("dialect", "open_inference"), ("model", "m"), ("version", "1"))


def test_a_histogram_is_cumulative_and_its_bounds_belong_to_the_lower_bucket():
    metrics = Metrics()
    bounds = [round(bound * SECOND) for bound in BUCKETS]
    for bound in bounds:
        count(metrics, bound)
        count(metrics, bound + 1)
    got = samples(metrics)
    buckets = {}
    for (name, labels), value in got.items():
        if name == "request_seconds_bucket":
            buckets[float(dict(labels)["le"])] = value
    assert sorted(buckets) == [*BUCKETS, float("inf")]
    assert [buckets[bound] for bound in BUCKETS] == [2 * at + 1 for at in range(len(BUCKETS))]
    assert (
        buckets[float("inf")]
        == got["request_seconds_count", LABELS]
        == got["requests_total", LABELS]
        == 2 * len(BUCKETS)
    )
    assert got["request_seconds_sum", LABELS] == pytest.approx(sum(2 * bound + 1 for bound in bounds) / SECOND)


def test_stages_add_up_to_the_whole():
    metrics = Metrics()
    for total in (5, 500, 12345):
        count(metrics, total, rows=7)
    got = samples(metrics)
    labels = [tuple(sorted((*LABELS, ("stage", stage)))) for stage in STAGES]
    assert sum(got["stage_seconds_sum", item] for item in labels) == pytest.approx(got["request_seconds_sum", LABELS])
    assert [got["stage_seconds_count", item] for item in labels] == [3] * 4
    first = [got["stage_seconds_bucket", tuple(sorted((*item, ("le", "5e-05"))))] for item in labels]
    assert first == [3] * 4
    assert got["rows_total", LABELS] == 21


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "new\nline", "ünï ✓", ""])
def test_labels_of_any_text_are_read_back(name):
    metrics = Metrics()
    metrics.error(name, "plain", Kind.NOT_FOUND)
    metrics.error(name, "plain", Kind.NOT_FOUND)
    assert samples(metrics) == {
        ("request_errors_total", (("dialect", "plain"), ("kind", "not_found"), ("model", name))): 2
    }


@pytest.mark.parametrize("value", [0.0, -1.5, 1e-9, 2.0**60, float("inf"), float("-inf")])
def test_values_of_any_size_are_read_back(value):
    metrics = Metrics()
    metrics.set("connections", {}, value)
    assert samples(metrics)["connections", ()] == value


def test_a_worker_that_comes_back_goes_on_counting_and_holds_nothing_yet(tmp_path):
    first = Metrics(tmp_path, 0)
    count(first, 1000)
    first.add("model_loads", {"model": "m", "outcome": "ready"})
    first.set("connections", {}, 5)
    again = Metrics(tmp_path, 0)
    count(again, 1000)
    got = samples(again)
    assert got["requests_total", LABELS] == 2
    assert got["model_loads_total", (("model", "m"), ("outcome", "ready"))] == 1
    assert got["connections", ()] == 0


def test_any_worker_shows_the_sum_of_all(tmp_path):
    workers = [Metrics(tmp_path, number) for number in range(3)]
    for number, worker in enumerate(workers):
        count(worker, 1000 * (number + 1), rows=number)
        worker.set("workers", {}, 1)
    workers[2].error("m", "plain", Kind.INTERNAL)
    for worker in workers:
        got = samples(worker)
        assert (got["requests_total", LABELS], got["rows_total", LABELS], got["workers", ()]) == (3, 3, 3)
    (tmp_path / "worker-9.metrics").write_bytes(b"")
    (tmp_path / "worker-8.metrics").write_bytes(b"not a segment at all")
    assert samples(workers[0])["workers", ()] == 3


def test_rows_are_found_again_by_key(tmp_path):
    path = tmp_path / "segment"
    segment = Segment(path, 1 << 16)
    for length in range(1, 40):  # keys of every alignment
        segment.row(b"k" * length, length)[:] = memoryview(bytearray(8 * length)).cast("d")
        segment.row(b"k" * length, length)[-1] = length
    assert segment.row(b"k", 1) is segment.row(b"k", 1)
    for rows in (dict(segment.read()), dict(read_file(path)), dict(Segment(path, 1 << 16).read())):
        assert len(rows) == 39
        assert all(values == [0.0] * (len(key) - 1) + [len(key)] for key, values in rows.items())


def test_a_full_segment_loses_new_series_and_keeps_the_old_ones(tmp_path):
    segment = Segment(tmp_path / "segment", 4096)
    kept = 0
    while segment.row(b"key-%d" % kept, 3) is not None:
        kept += 1
    assert 50 < kept < 200
    segment.row(b"key-0", 3)[2] = 7
    assert segment.row(b"one more", 1) is None
    assert dict(read_file(tmp_path / "segment"))[b"key-0"] == [0, 0, 7]
    assert len(read_file(tmp_path / "segment")) == kept


def test_a_full_segment_does_not_fail_requests(monkeypatch):
    metrics = Metrics()
    monkeypatch.setattr(metrics._segment, "_append", lambda key, count: None)
    count(metrics, 1000)
    metrics.error("m", "plain", Kind.INTERNAL)
    metrics.set("workers", {}, 1)
    assert samples(metrics) == {}


def test_what_a_dying_writer_left_behind_is_not_taken_for_numbers(tmp_path):
    path = tmp_path / "segment"
    segment = Segment(path, 4096)
    used = int.from_bytes(segment._map[8:16], "little")
    segment._map[used : used + 200] = b"\xff" * 200  # an entry that never became part of the table
    assert list(segment.row(b"key", 4)) == [0, 0, 0, 0]


def _write(path, stop):
    segment = Segment(path, 1 << 20)
    number = 0
    while not stop.is_set() and number < 4000:
        row = segment.row(b"row-%d" % number, METER_VALUES)
        if row is None:
            break
        row[0] = number + 1.0
        number += 1


def test_a_reader_in_another_process_sees_whole_rows_only(tmp_path):
    context = multiprocessing.get_context("spawn")
    stop, path = context.Event(), tmp_path / "worker-0.metrics"
    writer = context.Process(target=_write, args=(path, stop))
    writer.start()
    try:
        seen, end = 0, time.monotonic() + 20
        while writer.is_alive() and time.monotonic() < end:
            rows = read_file(path) if path.exists() else []
            assert len(rows) >= seen
            seen = len(rows)
            for number, (key, values) in enumerate(rows):
                assert key == b"row-%d" % number
                assert len(values) == METER_VALUES
                assert values[0] in (0, number + 1)
                assert not any(values[1:])
    finally:
        stop.set()
        writer.join(10)
    assert writer.exitcode == 0
    assert len(read_file(path)) > 1000


def test_batches_are_a_histogram_of_their_rows():
    metrics = Metrics()
    for rows, count_ in ((1, 5), (3, 2), (64, 1)):
        metrics.series("executions", {"model": "m", "version": "1", "rows": str(rows)}, 2)[0] = count_
    got = samples(metrics)
    labels = (("model", "m"), ("version", "1"))
    below = {le: got["batch_rows_bucket", tuple(sorted((*labels, ("le", le))))] for le in ("1", "2", "4", "64", "+Inf")}
    assert below == {"1": 5, "2": 5, "4": 7, "64": 8, "+Inf": 8}
    assert (got["batch_rows_sum", labels], got["batch_rows_count", labels]) == (5 + 6 + 64, 8)


def test_the_same_numbers_under_tritons_names():
    metrics = Metrics()
    count(metrics, 1_000_000, rows=4)
    count(metrics, 3_000_000, rows=2, dialect="plain")
    metrics.error("m", "plain", Kind.OVERLOADED)
    metrics.counter("cache_requests", {"model": "m", "version": "1", "result": "hit"})[0] = 3
    metrics.gauge("queue_depth", {"model": "m", "version": "1"})[0] = 7
    text = exposition(metrics, "triton")
    assert "modelport_" not in text
    got = {
        sample.name.removesuffix("_total"): sample.value  # which the parser adds to counters
        for family in parse(text)
        for sample in family.samples
        if sample.labels["model"] == "m"
    }
    assert got["nv_inference_request_success"] == 2
    assert got["nv_inference_count"] == 6
    assert got["nv_inference_request_duration_us"] == 4000
    assert got["nv_inference_compute_infer_duration_us"] == 800
    assert got["nv_inference_pending_request_count"] == 7
    assert got["nv_cache_num_hits_per_model"] == 3
    assert got["nv_inference_request_failure"] == 1
    both = exposition(metrics, "both")
    assert both.startswith("# HELP modelport_")
    assert both.endswith(text)


def test_each_stage_is_a_histogram():
    metrics = Metrics()
    count(metrics, 5 * SECOND)  # a second in each stage but the last, which has two
    got = samples(metrics)
    for stage, le, below in (("decode", "0.5", 0), ("queue", "1.0", 1), ("compute", "1.0", 1), ("encode", "1.0", 0)):
        assert got["stage_seconds_bucket", tuple(sorted((*LABELS, ("stage", stage), ("le", le))))] == below, stage


def test_both_meters_count_the_same():
    """The extension's and Python's, over moments that fall into every bucket, and on their bounds."""
    if collect is None:
        pytest.skip("the extension is not built: it takes a C compiler")
    chance = random.Random(0)
    rows = [memoryview(bytearray(8 * METER_VALUES)).cast("d") for _ in range(2)]
    meters = (Meter(rows[0]), make_meter(rows[1]))
    assert not isinstance(meters[1], Meter)
    for _ in range(3000):
        moments = [chance.choice((chance.randint(0, 10 ** chance.randint(1, 11)), *BUCKETS_NS)) for _ in range(5)]
        received, decoded, started, finished, now = sorted(moments)
        request = InferenceRequest({}, received=received, decoded=decoded, started=started, finished=finished)
        size = chance.randint(1, 9)
        for meter in meters:
            meter.count(request, size, now)
    assert rows[0].tolist() == rows[1].tolist()
    assert rows[1][0] == 3000
    assert min(rows[1][METER_VALUES - 5 * (len(BUCKETS_NS) + 1) :]) >= 0
    assert meters[1].row is rows[1]


@pytest.mark.parametrize("size", [0, METER_VALUES - 1])
def test_a_row_that_is_too_short_is_no_meter(size):
    if collect is None:
        pytest.skip("the extension is not built: it takes a C compiler")
    with pytest.raises(ValueError, match="too short"):
        collect.Meter(memoryview(bytearray(8 * size)).cast("d"), BUCKETS_NS)
