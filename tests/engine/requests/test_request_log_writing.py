"""What is noted is on the disk soon, what is hidden is not, and nothing fails where the disk does."""

import time

import ml_dtypes
import numpy as np
import pytest

from engine.requests.logged import ROW, counted, log_of, logs_in, note, record
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.meaning import Column, Tabular
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.requests import LoggedRequests, LoggingOptions, Wanted
from modelport.engine.requests import writer as writer_module
from modelport.engine.requests.model_log import ModelLog
from modelport.engine.requests.segment import DAY

COLUMNS = Tabular(tuple(Column(name) for name in ("age", "income", "height", "id")))
SIGNATURE = Signature(
    (TensorSpec("X", "FP32", (-1, 4), COLUMNS), TensorSpec("note", "BYTES", (-1,), optional=True)),
    (TensorSpec("y", "FP32", (-1,)),),
)


def until(found, seconds=10):
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_noted_request_is_on_the_disk_soon_without_a_close(tmp_path):
    logs, metrics = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE)
    made = note(log, client_id="mine")
    found = LoggedRequests(tmp_path).find(made, patience=10)
    assert (found.client_id, found.model, found.version, found.dialect) == ("mine", "iris", 1, "plain")
    assert np.array_equal(found.arrays()["X"], ROW)
    assert found.outputs()[0]["y"].tolist() == [1.5]
    until(lambda: counted(metrics) == {"written": 1, "full": 0, "failed": 0})
    logs.close()


def test_closing_writes_what_waits(tmp_path):
    logs, metrics = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE)
    made = [note(log) for _ in range(500)]
    logs.close()
    assert {item.id for item in LoggedRequests(tmp_path).newest(Wanted(), 1000)} == set(made)
    assert counted(metrics)["written"] == 500


def test_nothing_is_made_where_nothing_is_logged(tmp_path):
    logs, _ = logs_in(tmp_path / "log")
    assert logs.of_version("iris", 1, "d", SIGNATURE, LoggingOptions(), stateful=False) is None
    assert not logs.active
    logs.close()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("said", "setting", "logged"),
    [
        (None, "", False), (None, "iris", True), (None, "other, iris", True), (None, "*", True), (None, "other", False),
        (True, "", True), (False, "*", False), (False, "iris", False),
    ],
)  # fmt: skip
def test_the_models_own_word_counts_more_than_the_servers(tmp_path, said, setting, logged):
    logs, _ = logs_in(tmp_path, setting)
    log = logs.of_version("iris", 1, "d", SIGNATURE, LoggingOptions(requests=said), stateful=False)
    assert (log is not None) == logged
    logs.close()


def test_an_error_is_logged_with_its_kind(tmp_path):
    logs, _ = logs_in(tmp_path)
    made = note(log_of(logs, SIGNATURE), outcome=ModelFailedError("it broke"))
    logs.close()
    found = LoggedRequests(tmp_path).find(made)
    assert (found.kind, found.text, found.answers) == ("model_failed", "it broke", [])
    assert np.array_equal(found.arrays()["X"], ROW)


def test_hidden_columns_and_inputs_are_nowhere_on_the_disk(tmp_path):
    logs, _ = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE, hide=["income", "note", "id"])
    secret = np.float32(123456.78)
    inputs = {"X": np.array([[1, secret, 3, secret]], np.float32), "note": np.array([b"a secret"], object)}
    made = note(log, inputs)
    failed = note(log, inputs, ModelFailedError(f"{secret} is too much"))
    logs.close()
    found = LoggedRequests(tmp_path).find(made)
    assert found.hidden == ["income", "note", "id"]
    [tensor] = found.inputs
    assert (tensor.name, tensor.shape, tensor.without) == ("X", [1, 4], [1, 3])
    assert tensor.array().tolist() == [[1.0, 3.0]]
    with pytest.raises(InvalidInputError, match="income, note, id was not stored"):
        found.arrays()
    assert LoggedRequests(tmp_path).find(failed).text == ""
    [segment] = tmp_path.glob("iris/*.log")
    data = segment.read_bytes()
    assert secret.tobytes() not in data
    assert b"secret" not in data
    assert b"is too much" not in data


def test_a_hidden_output_is_left_out_and_the_request_can_be_asked_again(tmp_path):
    logs, _ = logs_in(tmp_path)
    made = note(log_of(logs, SIGNATURE, hide=["y"]))
    logs.close()
    found = LoggedRequests(tmp_path).find(made)
    assert (found.answers, found.hidden, found.hidden_outputs) == ([[]], [], ["y"])
    assert np.array_equal(found.arrays()["X"], ROW)


def test_a_misspelt_name_is_refused_and_not_stored(tmp_path):
    logs, _ = logs_in(tmp_path)
    with pytest.raises(InvalidModelError, match=r"no input, column or output 'incone'.*income"):
        log_of(logs, SIGNATURE, hide=["incone"])
    logs.close()


def test_another_signature_of_the_model_hides_everything_where_the_names_mean_nothing_in_it(tmp_path):
    logs, _ = logs_in(tmp_path)
    other = Signature((TensorSpec("raw", "FP32", (-1, 4)),), (TensorSpec("z", "FP32", (-1,)),))
    log = log_of(logs, SIGNATURE, hide=["income"]).named("other", other)
    made = note(log, {"raw": ROW}, InferenceResponse("iris", 1, {"z": ROW[0]}))
    plain = note(log_of(logs, SIGNATURE).named("other", other), {"raw": ROW})
    logs.close()
    found = LoggedRequests(tmp_path).find(made)
    assert (found.inputs, found.answers, found.signature) == ([], [[]], "other")
    assert LoggedRequests(tmp_path).find(plain).arrays()["raw"].tolist() == ROW.tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, 2], [3, 4]], np.uint16), np.array(7, np.int64), np.zeros((0, 3), np.float32), np.array([True]),
        np.array([[b"a", b""], ["ü".encode(), b"\xff"]], object), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1.5, np.nan, -np.inf], ml_dtypes.bfloat16), np.arange(20, dtype=np.float16)[::3],
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_of_array_comes_back_as_it_was(tmp_path, array):
    logs, _ = logs_in(tmp_path)
    made = note(log_of(logs, SIGNATURE), {"X": array}, InferenceResponse("iris", 1, {"y": array}))
    logs.close()
    found = LoggedRequests(tmp_path).find(made)
    for back in (found.arrays()["X"], found.outputs()[0]["y"]):
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tolist() == array.tolist() if array.dtype == object else back.tobytes() == array.tobytes()


def test_texts_that_a_model_gives_as_numpys_own_are_stored_as_bytes(tmp_path):
    logs, _ = logs_in(tmp_path)
    made = note(log_of(logs, SIGNATURE), outcome=InferenceResponse("iris", 1, {"y": np.array(["a", "ü"])}))
    logs.close()
    assert LoggedRequests(tmp_path).find(made).outputs()[0]["y"].tolist() == [b"a", "ü".encode()]


def test_a_sample_is_about_so_large(tmp_path):
    logs, _ = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE, sample=0.25)
    for _ in range(2000):
        note(log)
    logs.close()
    found = len(LoggedRequests(tmp_path).newest(Wanted(), 2000))
    assert 350 < found < 650


@pytest.mark.parametrize(
    ("name", "value"), [("sample", 0), ("sample", 1.5), ("keep_days", 0), ("max_mb", -1), ("max_mb", float("nan"))]
)
def test_options_that_mean_nothing_are_refused(name, value):
    with pytest.raises(InvalidModelError, match=rf"\[logging\] {name}"):
        LoggingOptions(**{name: value})


def test_segments_are_turned_by_their_size_and_the_oldest_go(tmp_path):
    logs, _ = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE, max_mb=0.5)
    big = {"X": np.ones((1000, 4), np.float32)}
    made = [note(log, big) for _ in range(100)]
    logs.close()
    log.log.tidy()
    files = list(tmp_path.glob("iris/*"))
    assert 200_000 < sum(file.stat().st_size for file in files) <= 500_000
    assert max(file.stat().st_size for file in files) < 60_000
    found = [item.id for item in LoggedRequests(tmp_path).newest(Wanted(), 100)]
    assert found == made[::-1][: len(found)]


def test_a_folder_that_can_not_be_made_costs_nothing_but_the_log(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    logs, metrics = logs_in(tmp_path / "file" / "log")
    log = log_of(logs, SIGNATURE)
    for _ in range(50):
        note(log)
    until(lambda: counted(metrics)["failed"] == 50)
    logs.close()
    assert counted(metrics) == {"written": 0, "full": 0, "failed": 50}
    assert sum("are answered but not logged" in item.message for item in caplog.records) == 1


def test_what_has_no_room_to_wait_is_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "MOST_BYTES", 1000)
    logs, metrics = logs_in(tmp_path)
    log = log_of(logs, SIGNATURE)
    large, small = note(log, {"X": np.ones((100, 4), np.float32)}), note(log)
    logs.close()
    assert counted(metrics) == {"written": 1, "full": 1, "failed": 0}
    assert [item.id for item in LoggedRequests(tmp_path).newest(Wanted())] == [small]
    assert large != small


def test_all_responses_of_a_stream_are_kept(tmp_path):
    logs, _ = logs_in(tmp_path)
    parts = [InferenceResponse("iris", 1, {"y": np.array([number])}) for number in range(3)]
    made = note(log_of(logs, SIGNATURE), outcome=parts)
    logs.close()
    assert [answer["y"].tolist() for answer in LoggedRequests(tmp_path).find(made).outputs()] == [[0], [1], [2]]


def test_with_a_new_day_a_new_segment_begins(tmp_path):
    log = ModelLog(tmp_path, "iris")
    now = time.time_ns()
    for at in (now, now + DAY, now):
        log.add(record(at=at))
    log.close()
    assert len(list(tmp_path.glob("iris/*.log"))) == 2
    assert len(LoggedRequests(tmp_path).newest(Wanted(), 10)) == 3
