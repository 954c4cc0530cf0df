"""An input that was running at two crashes is refused; what only happened to run beside it is not."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from modelport.core.errors import InvalidModelError, ModelFailedError
from modelport.core.messages import InferenceRequest
from modelport.engine.batches import compute
from modelport.engine.metrics.exposition import exposition
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.quarantine.flight import read_flight
from modelport.engine.quarantine.guard import Guard
from modelport.engine.quarantine.ledger import Ledger, is_crash
from modelport.engine.served import ServedVersion
from modelport.server.shared_document import in_folder
from modelport.testing.fakes import echo_model

KILLER = 666.0
DIGEST = "cd" * 32


class CrashError(BaseException):
    """The worker ends here. What was in flight then is `flown`."""


class Server:
    """A worker after the other: each crashes where a row begins with KILLER, and another takes its place."""

    def __init__(self, folder, joinable=True):
        self.folder, self.joinable, self.crashes, self.ran = folder, joinable, 0, []
        self.document = in_folder(folder, "quarantine")
        self.start()

    def start(self):
        self.path, self.metrics = self.folder / f"worker-{self.crashes}.flight", Metrics()
        self.guard = Guard(self.path, in_folder(self.folder, "quarantine"), self.metrics)
        model = echo_model("FP32", (-1, 2))
        echo = model._answer

        def deadly(inputs):
            self.ran.append(inputs["x"][:, 0].tolist())
            if (inputs["x"][:, 0] == KILLER).any():
                raise CrashError(read_flight(self.path))
            return echo(inputs)

        model._answer = deadly
        self.served = ServedVersion("m", 1, model, DIGEST, self.folder, self.metrics, joinable=self.joinable)
        self.guard.watch(self.served)

    def ask(self, *firsts, width=2):
        """The answers to requests of a row each that come together: numbers or errors; None where the worker ended."""
        rows = [np.full((1, width), first, np.float32) for first in firsts]
        self.ran.clear()
        try:
            outcomes = compute(self.served, [InferenceRequest({"x": row}) for row in rows]).outcomes
        except CrashError as crash:
            self.crashes += 1
            Ledger(self.document).blame(crash.args[0])
            self.start()
            return None
        return [item if isinstance(item, Exception) else float(item.outputs["y"][0, 0]) for item in outcomes]


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


def test_what_ran_at_two_crashes_is_refused_and_everything_else_answered(server):
    assert server.ask(1, 2) == [1, 2]
    assert server.ask(KILLER) is None
    assert server.ask(1, 2) == [1, 2]
    assert server.ask(KILLER) is None
    (error,) = server.ask(KILLER)
    assert isinstance(error, ModelFailedError)
    assert "it was running when a worker crashed, twice" in str(error)
    assert server.ran == []
    assert server.crashes == 2


def test_what_ran_beside_it_is_cleared(server):
    assert server.ask(1, KILLER, 2) is None
    assert len(server.guard.ledger.suspects) == 3
    assert server.ask(1, 2, 3) == [1, 2, 3]
    assert server.ran == [[1], [2], [3]], "suspects run alone"
    assert len(server.guard.ledger.suspects) == 1
    assert server.ask(1, 2, 3) == [1, 2, 3]
    assert server.ran == [[1, 2, 3]], "what is cleared is joined again"


def test_an_innocent_that_always_comes_with_it_is_never_refused(server):
    for _ in range(2):
        assert server.ask(1, KILLER, 2) is None
    first, bad, last = server.ask(1, KILLER, 2)
    assert (first, last) == (1, 2)
    assert isinstance(bad, ModelFailedError)
    assert server.crashes == 2


def test_refusals_are_counted_and_logged(server, caplog):
    for _ in range(2):
        server.ask(KILLER)
    assert "an input of m@1 was running at two crashes: it is refused from now on" in caplog.text
    for _ in range(3):
        server.ask(KILLER)
    text = exposition(server.metrics)
    assert 'modelport_quarantined{model="m"} 1\n' in text
    assert 'modelport_quarantine_refusals_total{model="m"} 3\n' in text


def test_a_model_whose_rows_depend_on_each_other_is_refused_as_a_whole(tmp_path):
    server = Server(tmp_path, joinable=False)
    assert [server.ask(KILLER) for _ in range(2)] == [None, None]
    assert isinstance(server.ask(KILLER)[0], ModelFailedError)
    assert server.ask(5) == [5]


def test_another_worker_hears_of_it(server, tmp_path):
    other = Guard(tmp_path / "other.flight", in_folder(tmp_path, "quarantine"), Metrics())
    for _ in range(2):
        server.ask(KILLER)
    assert other.ledger.refused == frozenset()
    other.ledger.catch_up()
    assert other.ledger.refused == server.guard.ledger.refused != frozenset()
    assert other.ledger.digests == {DIGEST}


def test_suspicion_ends_after_an_hour(server, monkeypatch):
    server.ask(KILLER)
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert server.ask(KILLER) is None
    assert server.guard.ledger.refused == frozenset()
    assert len(server.guard.ledger.suspects) == 1


def test_a_model_that_kills_while_it_loads_is_left_alone(tmp_path):
    fingerprint = (("m.onnx", 10, 1),)
    for number in range(2):
        path = tmp_path / f"worker-{number}.flight"
        guard = Guard(path, in_folder(tmp_path, "quarantine"), Metrics())
        guard.begin_loading("m", 1, fingerprint)
        Ledger(in_folder(tmp_path, "quarantine")).blame(read_flight(path))
    guard = Guard(tmp_path / "worker-2.flight", in_folder(tmp_path, "quarantine"), Metrics())
    with pytest.raises(InvalidModelError, match="m@1 was being loaded at two crashes of a worker"):
        guard.begin_loading("m", 1, fingerprint)
    guard.begin_loading("m", 1, (("m.onnx", 10, 2),))()  # another file under the same name
    guard.begin_loading("other", 1, fingerprint)()


def test_a_load_that_ends_is_cleared(tmp_path):
    path = tmp_path / "worker-0.flight"
    guard = Guard(path, in_folder(tmp_path, "quarantine"), Metrics())
    guard.begin_loading("m", 1, ())
    Ledger(in_folder(tmp_path, "quarantine")).blame(read_flight(path))
    guard.ledger.catch_up()
    guard.begin_loading("m", 1, ())()
    assert guard.ledger.suspects == frozenset()


@pytest.mark.parametrize(
    ("code", "crash"),
    [
        (-signal.SIGSEGV, True),
        (-signal.SIGABRT, True),
        (3, True),
        (0, False),
        (-signal.SIGTERM, False),
        (-signal.SIGKILL, False),
    ],
)
def test_only_ends_that_a_model_can_bring_about_are_crashes(code, crash):
    assert is_crash(code) is crash
