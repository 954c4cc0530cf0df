"""Jobs of real servers: done, refused, cancelled, and taken again where a server or a job's process is killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from modelport.client.releases import RemoteReleases
from modelport.core.errors import ConflictError, InvalidInputError, NotFoundError
from modelport.registry.packing import Inspected, Said, pack
from modelport.registry.releases import GateRules
from modelport.registry.transfers import push_packed
from modelport.release.promotion.datasets import store_data
from modelport.release.promotion.wish import EvaluationWish, Wish
from release.cancer_models import BY, open_sqlite, push, write_waiting

OVER = ("done", "failed", "cancelled")


@pytest.fixture
def registry(tmp_path, cancer):
    made = open_sqlite(tmp_path / "home")
    push(made, cancer / "good.onnx")
    yield made
    made.close()


@pytest.fixture
def serve(run_server, tmp_path, model_folder):
    """Starts a server on the registry."""

    def start(*words, **env):
        home = {"MODELPORT_HOME": str(tmp_path / "home"), **env}
        return run_server(model_folder / "iris.onnx", *words, env=home).wait_ready()

    return start


@pytest.fixture
def ask():
    """Gives clients of servers."""
    opened = []

    def of(server):
        opened.append(RemoteReleases(server.url))
        return opened[-1]

    yield of
    for client in opened:
        client.close()


@pytest.fixture
def waiting(registry, tmp_path, cancer):
    """The folder of wait@1, which is evaluated for as long as there is no file `go` in it."""
    folder = tmp_path / "waiting"
    packed = pack(write_waiting(folder), (), Inspected("python"), Said("ann"))
    push_packed(registry, "wait", packed, BY)
    data = store_data(registry.store, cancer / "test.csv", "label")
    registry.set_gates("wait", GateRules(("accuracy > 0.5",), data.digest, data.name, data.label), BY)
    yield folder
    (folder / "go").touch()


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


def job_process(server):
    """The process of the job that a server of one process runs."""

    def found():
        for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):  # each thread has its own
            for pid in map(int, children.read_text().split()):
                if b"modelport.release.jobs" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    return until(found)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def over(registry, number, seconds=40):
    return until(lambda: (job := registry.job(number)).state in OVER and job, seconds)


def production(registry, name="wait"):
    return registry.model(name).aliases.get("production")


def test_a_server_does_what_it_is_asked(registry, serve, ask, cancer):
    releases, seen = ask(serve()), []
    done = releases.wait(releases.promote(Wish("fraud", 1), BY), seen.append)
    assert (done.state, done.kind, done.subject, done.created_by, done.attempts) == (
        "done",
        "promote",
        "fraud@1",
        "ann",
        1,
    )
    assert seen[0].state == "queued"
    assert (done.result["version"], production(registry, "fraud")) == (1, 1)
    event = registry.history("fraud", limit=1)[0]
    assert (event.kind, event.who, event.why) == ("promoted", "ann", "a test")
    push(registry, cancer / "narrow.onnx")
    failed = releases.wait(releases.promote(Wish("fraud", 2), BY))
    assert (failed.state, failed.result["kind"]) == ("failed", "conflict")
    assert "fraud@2 is not promoted" in failed.result["error"]
    assert [item["passed"] for item in failed.result["verdicts"]] == [False]
    data = store_data(registry.store, cancer / "test.csv", "label")
    measured = releases.wait(releases.evaluate(EvaluationWish("fraud", 1, data, resamples=0), BY))
    assert registry.evaluation(measured.result["evaluation"]).metrics["accuracy"] > 0.9
    assert [job.id for job in releases.jobs()] == [3, 2, 1]
    with pytest.raises(ConflictError, match="is over"):
        releases.cancel(1, BY)


def test_what_can_not_be_is_refused_when_it_is_asked(registry, serve, ask):
    releases = ask(serve())
    with pytest.raises(NotFoundError, match="fraud"):
        releases.promote(Wish("fraud", 9), BY)
    with pytest.raises(InvalidInputError, match="did you mean 'accuracy'"):
        releases.promote(Wish("fraud", 1, gates=("acuracy > 0",)), BY)
    with pytest.raises(NotFoundError):
        releases.job(1)
    assert releases.jobs() == []


def test_whose_code_runs_is_for_the_server_to_say(registry, waiting, serve, ask):
    releases = ask(serve())
    job = releases.wait(releases.promote(Wish("wait", 1), BY))
    assert (job.state, job.result["kind"]) == ("failed", "forbidden")
    assert production(registry) is None


def test_a_job_survives_a_server_that_is_killed(registry, waiting, serve, ask):
    first = serve("--trust", "wait")
    job = ask(first).promote(Wish("wait", 1), BY)
    until((waiting / "started").exists)
    process = job_process(first)
    first.process.kill()
    first.wait_ended()
    until(lambda: is_gone(process))
    assert registry.job(job.id).state == "running"
    (waiting / "go").touch()
    serve("--trust", "wait")
    done = over(registry, job.id)
    assert (done.state, done.attempts) == ("done", 2)
    assert production(registry) == 1
    assert len(registry.evaluations("wait")) == 1


def test_a_job_whose_process_is_killed_is_done_again(registry, waiting, serve, ask):
    server = serve("--trust", "wait")
    job = ask(server).promote(Wish("wait", 1), BY)
    until((waiting / "started").exists)
    os.kill(job_process(server), signal.SIGKILL)
    (waiting / "go").touch()
    done = over(registry, job.id)
    assert (done.state, done.attempts, production(registry)) == ("done", 2, 1)


def test_a_job_that_always_kills_its_process_is_given_up(registry, serve, ask, tmp_path):
    code = (
        "import os, signal\n\nclass Killer:\n    def load(self, path):\n        os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    code += "\n    def predict(self, x: float) -> float:\n        return x\n"
    (tmp_path / "killer.py").write_text(code)
    push_packed(registry, "killer", pack(tmp_path / "killer.py", (), Inspected("python"), Said("ann")), BY)
    server = serve("--trust", "killer")
    failed = over(registry, ask(server).promote(Wish("killer", 1), BY).id)
    assert (failed.state, failed.attempts) == ("failed", 3)
    assert "was ended by SIGKILL" in failed.result["error"]
    assert server.process.poll() is None


def test_a_job_is_given_back_when_its_server_stops(registry, waiting, serve, ask):
    first = serve("--trust", "wait")
    job = ask(first).promote(Wish("wait", 1), BY)
    until((waiting / "started").exists)
    process = job_process(first)
    assert first.stop() == 0
    assert is_gone(process)
    assert registry.job(job.id).text == "the server that did it stopped"
    (waiting / "go").touch()
    serve("--trust", "wait")
    assert over(registry, job.id).state == "done"


def test_a_job_is_cancelled(registry, waiting, serve, ask, tmp_path):
    (tmp_path / "tmp").mkdir()
    server = serve("--trust", "wait", TMPDIR=str(tmp_path / "tmp"))
    releases = ask(server)
    running, queued = releases.promote(Wish("wait", 1), BY), releases.promote(Wish("wait", 1), BY)
    until((waiting / "started").exists)
    process = job_process(server)
    assert releases.cancel(queued.id, BY).state == "cancelled"
    assert releases.cancel(running.id, BY).cancelling
    cancelled = over(registry, running.id)
    assert (cancelled.state, cancelled.attempts, cancelled.result) == ("cancelled", 1, {})
    assert is_gone(process)
    assert production(registry) is None
    assert [path.name for path in (tmp_path / "tmp").glob("modelport-*")] == []
    (waiting / "go").touch()
    assert releases.wait(releases.promote(Wish("wait", 1), BY)).state == "done"


def test_a_job_does_not_hurry(registry, waiting, serve, ask):
    server = serve("--trust", "wait")
    ask(server).promote(Wish("wait", 1), BY)
    until((waiting / "started").exists)
    nice = os.getpriority(os.PRIO_PROCESS, job_process(server))
    assert nice >= os.getpriority(os.PRIO_PROCESS, server.process.pid) + 10


def test_one_of_several_workers_does_the_jobs(registry, waiting, serve, ask):
    server = serve("--workers", "2", "--trust", "wait")
    releases = ask(server)
    jobs = [releases.promote(Wish("wait", 1), BY) for _ in range(2)]
    until((waiting / "started").exists)
    assert sorted(registry.job(job.id).state for job in jobs) == ["queued", "running"]
    (waiting / "go").touch()
    assert [over(registry, job.id).state for job in jobs] == ["done", "done"]
