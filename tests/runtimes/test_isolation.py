"""Models in processes of their own: what a crash, a hang or too much memory does to whom."""

import contextlib
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from python_models import COUNT, DOUBLE, TROUBLE, write

from modelport.core.deadline import Deadline
from modelport.core.errors import (
    DeadlineExceededError,
    InvalidInputError,
    InvalidModelError,
    ModelFailedError,
    OutOfResourcesError,
    UnavailableError,
)
from modelport.core.runtime import InterruptibleModel, LoadedModel, LoadSpec, StreamingModel
from modelport.runtimes.isolation.model import load_isolated
from modelport.runtimes.isolation.options import ProcessOptions


@pytest.fixture
def isolated(tmp_path):
    """Load a Python model from its source; it is closed at the end."""
    opened = []

    def load(source, **options):
        model = load_isolated(write(tmp_path, source), "python", LoadSpec(), ProcessOptions(**options), "tested")
        opened.append(model)
        return model

    yield load
    for model in opened:
        model.close()


@pytest.fixture
def trouble(isolated):
    return isolated(TROUBLE)


def ask(model, *numbers):
    return model.predict({"x": np.array(numbers, np.float64)})["output"]


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def children():
    """The processes that this one has started to run models in, by their numbers, whichever thread started them."""
    started = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if b"isolation.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                    started.append(int(child))
    return started


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_a_model_that_can_be_interrupted(isolated):
    model = isolated(DOUBLE)
    assert isinstance(model, LoadedModel)
    assert isinstance(model, InterruptibleModel)
    assert not isinstance(model, StreamingModel)
    assert isinstance(isolated(COUNT), StreamingModel)


@pytest.mark.parametrize("rows", [0, 1, 1000, 400_000])
def test_arrays_small_and_large_go_there_and_back(isolated, rows):
    model = isolated(DOUBLE)
    for _ in range(3):
        x = np.random.default_rng(rows).random((rows, 3)).astype(np.float32)
        given = model.predict({"x": x})
        np.testing.assert_array_equal(given["output"], x * 2)
        assert given["output"].flags.writeable
        x[:] = 0  # nothing of the caller's is shared with what was given


def test_the_memory_grows_and_is_used_again(isolated):
    model = isolated(DOUBLE)
    for rows in (10_000, 100_000, 1_000_000, 10_000, 1_000_000):
        x = np.full((rows, 3), rows, np.float32)
        np.testing.assert_array_equal(model.predict({"x": x})["output"], x * 2)


def test_a_model_that_exits_fails_its_request_and_is_started_again(trouble):
    before = ask(trouble, 8)
    with pytest.raises(ModelFailedError, match=r"'tested' ended with exit status 3 .*started again"):
        ask(trouble, 1)
    after = ask(trouble, 8)
    assert before != after
    assert ask(trouble, 0, 5).tolist() == [0, 5]


def test_a_segmentation_fault_stays_in_its_process(trouble):
    with pytest.raises(ModelFailedError, match="was ended by SIGSEGV"):
        ask(trouble, 2)
    assert ask(trouble, 0).tolist() == [0]


def test_a_model_that_keeps_crashing_gets_pauses(trouble):
    for _ in range(2):
        with pytest.raises(ModelFailedError):
            ask(trouble, 1)
    with pytest.raises(UnavailableError, match=r"failed 2 times in a row, .*ended with exit status 3; .*in \d+ s"):
        ask(trouble, 0)
    wait_for(lambda: answers(trouble))


def answers(model):
    try:
        return ask(model, 0).tolist() == [0]
    except UnavailableError:
        return False


@pytest.mark.parametrize("way", [3, 7])
def test_a_hang_is_cut_by_the_deadline(trouble, way):
    pid = int(ask(trouble, 8)[0])
    with pytest.raises(DeadlineExceededError, match="was not ready before the request's deadline"):
        trouble.predict_until({"x": np.array([way], float)}, None, Deadline.after(0.3))
    assert ask(trouble, 0).tolist() == [0]
    assert is_gone(pid)


def test_a_hang_is_cut_by_the_limit_of_the_model(isolated):
    model = isolated(TROUBLE, timeout_seconds=0.3)
    with pytest.raises(DeadlineExceededError, match="timeout_seconds"):
        ask(model, 3)
    assert ask(model, 0).tolist() == [0]


def test_a_deadline_that_has_passed_costs_no_process(trouble):
    pid = ask(trouble, 8)
    with pytest.raises(DeadlineExceededError):
        trouble.predict_until({"x": np.zeros(1)}, None, Deadline.after(-1))
    assert ask(trouble, 8) == pid


def test_waiting_for_a_free_process_ends_with_the_deadline(trouble):
    slow = threading.Thread(target=ask, args=(trouble, 9, 1.5))
    slow.start()
    time.sleep(0.2)
    with pytest.raises(DeadlineExceededError, match="no process of model 'tested' was free"):
        trouble.predict_until({"x": np.zeros(1)}, None, Deadline.after(0.1))
    slow.join()
    assert ask(trouble, 0).tolist() == [0]


def test_too_much_memory_fails_the_request_only(isolated):
    model = isolated(TROUBLE, memory_mb=1500)
    pid = ask(model, 8)
    with pytest.raises(ModelFailedError, match="1500 MiB"):
        ask(model, 4)
    assert ask(model, 8) == pid


def test_too_much_memory_while_loading(isolated):
    with pytest.raises(OutOfResourcesError, match="memory_mb"):
        isolated(
            "class Big:\n    x = bytearray(3_000_000_000)\n    def predict(self, x: Rows) -> Rows:\n        return x",
            memory_mb=1500,
        )


def test_what_the_model_raises_comes_with_its_type_and_line(trouble):
    with pytest.raises(ModelFailedError, match=r"ValueError: it does not like five \(line \d+\)"):
        ask(trouble, 5)


def test_errors_of_the_tree_keep_their_kind(isolated):
    model = isolated(DOUBLE)
    with pytest.raises(InvalidInputError, match="'x'"):
        model.predict({})
    with pytest.raises(InvalidInputError, match="did you mean 'output'"):
        model.predict({"x": np.zeros((1, 3), np.float32)}, ("outptu",))


def test_inputs_that_the_model_keeps_do_not_change(trouble):
    for number in range(1, 4):
        x = np.full(50_000, number, float)
        x[0] = 6
        given = ask(trouble, *x)
        assert given.tolist() == [6.0 + 49_999 * item for item in range(1, number + 1)]


def test_several_callers_share_the_processes(isolated):
    model = isolated(TROUBLE, instances=2)
    wrong = []

    def work(number):
        for step in range(50):
            if ask(model, 0, number, step).tolist() != [0, number, step]:
                wrong.append((number, step))  # noqa: PERF401

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_second_process_answers_while_the_first_is_busy(isolated):
    model = isolated(TROUBLE, instances=2)
    first = ask(model, 8)
    slow = threading.Thread(target=ask, args=(model, 9, 1.0))
    slow.start()
    time.sleep(0.2)
    assert ask(model, 8) != first
    slow.join()


def test_a_crash_fails_nobody_elses_request(isolated):
    model = isolated(TROUBLE, instances=2)
    slow = []
    waiting = threading.Thread(target=lambda: slow.append(ask(model, 9, 0.7).tolist()))
    waiting.start()
    time.sleep(0.2)
    with pytest.raises(ModelFailedError):
        ask(model, 1)
    waiting.join()
    assert slow == [[9, 0.7]]


def test_a_process_that_is_killed_while_idle_is_replaced_unseen(trouble):
    pid = int(ask(trouble, 8)[0])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    assert int(ask(trouble, 8)[0]) != pid


def test_a_stream_comes_response_by_response(isolated, caplog):
    caplog.set_level(logging.INFO, "modelport.models")
    model = isolated(COUNT)
    assert [int(item["output"][0]) for item in model.stream({"n": np.array([5])})] == [0, 1, 2, 3, 4]
    assert model.predict({"n": np.array([4])})["output"].tolist() == [3]
    wait_for(lambda: caplog.text.count("tested: the stream is over") == 2)


def test_a_stream_that_is_closed_early_ends_in_the_process_too(isolated, caplog):
    caplog.set_level(logging.INFO, "modelport.models")
    model = isolated(COUNT)
    stream = model.stream({"n": np.array([10])})
    assert int(next(stream)["output"][0]) == 0
    stream.close()
    assert [int(item["output"][0]) for item in model.stream({"n": np.array([2])})] == [0, 1]
    wait_for(lambda: caplog.text.count("tested: the stream is over") == 2)


def test_a_stream_that_fails_gives_what_came_before(isolated):
    model = isolated(COUNT)
    stream = model.stream({"n": np.array([20])})
    assert [int(next(stream)["output"][0]) for _ in range(13)] == list(range(13))
    with pytest.raises(ModelFailedError, match="ValueError: thirteen"):
        next(stream)
    assert len(list(model.stream({"n": np.array([3])}))) == 3


def test_a_crash_in_a_stream(isolated):
    model = isolated(COUNT.replace("number == 13", "False"))
    with pytest.raises(ModelFailedError, match="exit status 1"):
        list(model.stream({"n": np.array([20])}))
    assert len(list(model.stream({"n": np.array([3])}))) == 3


def test_a_stream_that_hangs_is_cut_by_the_deadline(isolated):
    model = isolated(COUNT.replace("number == 13", "number == 2 and not time.sleep(600)"))
    stream = model.stream_until({"n": np.array([20])}, None, Deadline.after(1.0))
    assert [int(next(stream)["output"][0]) for _ in range(2)] == [0, 1]
    with pytest.raises(DeadlineExceededError, match="was not ready before the request's deadline"):
        next(stream)
    assert len(list(model.stream({"n": np.array([2])}))) == 2


def test_what_it_prints_goes_to_the_log_under_its_name(isolated, caplog):
    caplog.set_level(logging.INFO, "modelport.models")
    isolated(TROUBLE)
    wait_for(lambda: "tested: a model that makes trouble is loaded" in caplog.text)


def test_a_start_that_takes_too_long(isolated):
    with pytest.raises(UnavailableError, match=r"did not load it within 0.7 s; start_seconds"):
        isolated("time.sleep(60)\n" + DOUBLE, start_seconds=0.7)
    assert not children()


def test_a_process_that_ends_while_it_loads(isolated):
    with pytest.raises(InvalidModelError, match=r"its process ended with exit status 9\nlast words"):
        isolated("print('last words', flush=True)\nos._exit(9)\n" + DOUBLE)


def test_a_model_that_does_not_load_is_told_as_the_runtime_tells_it(isolated):
    with pytest.raises(InvalidModelError, match=r"model.py can't be run \(line \d+\): ZeroDivisionError"):
        isolated("1 / 0")


def test_a_closed_model_leaves_nothing(isolated):
    model = isolated(TROUBLE, instances=2)
    assert len(children()) == 2
    pids = children()
    model.close()
    model.close()
    assert not children()
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(ModelFailedError, match="closed"):
        ask(model, 0)


def test_a_model_that_does_not_end_by_itself_is_ended(isolated):
    model = isolated("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TROUBLE)
    pid = int(ask(model, 8)[0])
    failures = []

    def hang():
        try:
            ask(model, 3)
        except ModelFailedError as error:
            failures.append(error)

    busy = threading.Thread(target=hang)
    busy.start()
    time.sleep(0.3)
    model.close()
    busy.join()
    assert len(failures) == 1
    assert is_gone(pid)


def test_the_models_own_children_end_with_it(isolated):
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n" + DOUBLE.replace(
        "x * 2", "x * 0 + child.pid"
    )
    model = isolated(source)
    pid = int(model.predict({"x": np.zeros((1, 3), np.float32)})["output"][0, 0])
    assert not is_gone(pid)
    model.close()
    wait_for(lambda: is_gone(pid) or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")


def test_a_thousand_predictions_and_many_models_leak_nothing(isolated, tmp_path):
    model = isolated(TROUBLE)
    small, large = np.zeros(3), np.zeros(40_000)
    for _ in range(50):
        ask(model, *small)
        model.predict({"x": large})
    descriptors, memory = len(os.listdir("/proc/self/fd")), rss()
    for _ in range(1000):
        model.predict({"x": small})
        model.predict({"x": large})
    for _ in range(3):
        load_isolated(tmp_path / "model.py", "python").close()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert rss() < memory + 64e6
    model.close()
    assert len(os.listdir("/proc/self/fd")) < descriptors


def rss():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


PARENT = """
import os, sys, threading, time
from pathlib import Path
from modelport.runtimes.isolation.model import load_isolated

if "fork" in sys.argv:
    load_isolated(Path(sys.argv[1]), "python").close()  # so that there is a thread that the fork does not have
    if os.fork():
        os.wait()
        sys.exit()
made = []
loader = threading.Thread(target=lambda: made.append(load_isolated(Path(sys.argv[1]), "python")))
loader.start()
loader.join()
time.sleep(0.3)  # a process that dies with the thread that loaded it would be gone by now
print(os.getpid(), made[0]._places.first.process.pid, made[0]._places.first.alive, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["plain", "fork"])
def test_it_dies_with_its_parent_and_not_with_the_thread_that_loaded_it(tmp_path, how):
    file = write(tmp_path, DOUBLE)
    command = [sys.executable, "-c", PARENT, str(file), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        parent, child, alive = process.stdout.readline().split()
        assert alive == "True"
        os.kill(int(parent), signal.SIGKILL)
        wait_for(lambda: is_gone(int(child)) or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2:3])


def test_another_format_in_a_process_of_its_own(tmp_path):
    onnx = pytest.importorskip("onnx")
    assert onnx
    from onnx_graphs import classifier

    from modelport.runtimes.catalog import load

    content, rows = classifier(zipmap=False)
    file = tmp_path / "iris.onnx"
    file.write_bytes(content)
    here = load(file, LoadSpec(threads=1))
    there = load_isolated(file, "onnx", LoadSpec(threads=1))
    try:
        assert there.signature == here.signature
        assert there.info == here.info
        for name, array in here.predict({"X": rows}).items():
            np.testing.assert_array_equal(there.predict({"X": rows})[name], array)
    finally:
        there.close()
