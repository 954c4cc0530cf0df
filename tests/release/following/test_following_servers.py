"""Real servers on one registry: they serve what it says, change together, and go on without it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time

import pytest
from following_cases import ANN, Asked, all_answer, push, push_file, until


@pytest.fixture
def serve(run_server, home):
    """Servers that follow the registry in `home`, ready; what they said is shown where a test fails."""
    started = []

    def start(*options, env=None):
        started.append(run_server("--home", home, *options, env={"MODELPORT_HOME": "", **(env or {})}))
        return Asked(started[-1].wait_ready())

    yield start
    for server in started:
        sys.stdout.write(server.output)


def test_three_servers_follow_promotions_and_rollbacks(registry, serve, tmp_path):
    push(registry, tmp_path, 3)
    registry.promote("times", 1, ANN)
    begun = time.time()
    servers = [serve(), serve("--workers", "2"), serve()]
    assert all_answer(servers, 1)
    assert "following the registry" in servers[0].server.output
    registry.promote("times", 3, ANN)
    until(lambda: all_answer(servers, 3))
    assert registry.rollback("times", ANN) == 1
    until(lambda: all_answer(servers, 1))
    registry.promote("times", 2, ANN)
    until(lambda: all_answer(servers, 2))
    [model] = servers[1].document()["models"]
    assert (model["aliases"], model["preferred"], model["default_version"]) == ({"production": 2}, 2, 2)
    assert model["desired"] == {
        "aliases": {"production": 2},
        "versions": [2],
        "waiting_for_rollback": [1],
        "rollout": None,
        "problems": {},
    }
    following = servers[1].document()["following"]
    assert (following["head"], following["error"], following["from_cache"]) == (registry.head(), None, False)
    until(lambda: servers[1].metric("registry_head") == registry.head())
    assert servers[1].metric("registry_away") == 0
    assert servers[1].metric("registry_contact") > begun
    assert [server.server.stop() for server in servers] == [0, 0, 0]


def test_under_load_no_request_fails_and_each_answer_is_its_versions(registry, serve, tmp_path):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    servers = [serve(), serve("--workers", "2")]
    stopped, seen, wrong = threading.Event(), set(), []

    def load(server):
        while not stopped.is_set():
            for version in ("", "production"):
                got = server.answers(version)
                seen.add(got)
                if got not in (1, 2):
                    wrong.append(got)

    threads = [threading.Thread(target=load, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for number in range(4):
        wanted = 2
        if number % 2:
            wanted = registry.rollback("times", ANN)
        else:
            registry.promote("times", 2, ANN)
        until(lambda wanted=wanted: all_answer(servers, wanted, times=4))
    stopped.set()
    for thread in threads:
        thread.join(30)
    assert (wrong, seen) == ([], {1, 2})


def test_without_production_versions_and_names_answer(registry, serve, tmp_path):
    push(registry, tmp_path, 2)
    registry.set_alias("times", "staging", 2, ANN)
    server = serve()
    assert server.answers("staging") == server.answers("2") == 2
    assert server.answers().startswith("404 nothing is in production of 'times': promote a version")
    assert server.post("1").status_code == 404
    registry.promote("times", 1, ANN)
    until(lambda: server.answers() == 1)
    registry.remove_alias("times", "production", ANN)
    until(lambda: str(server.answers()).startswith("404"))
    assert server.answers("staging") == 2


def test_models_come_and_go_with_their_names(registry, serve, tmp_path):
    server = serve()
    assert server.document()["models"] == []
    push(registry, tmp_path, name="times")
    registry.promote("times", 1, ANN)
    until(lambda: server.answers() == 1)
    push(registry, tmp_path, name="other")
    registry.promote("other", 1, ANN)
    until(lambda: server.answers(name="other") == 1)
    registry.remove_alias("other", "production", ANN)
    until(lambda: "no model 'other'" in str(server.answers(name="other")))


def test_a_broken_version_leaves_production_as_it_was_and_is_told(registry, serve, tmp_path):
    push(registry, tmp_path, 1)
    broken = tmp_path / "times.onnx"
    broken.write_bytes(broken.read_bytes()[:-8])
    push_file(registry, "times", broken)
    registry.promote("times", 1, ANN)
    server = serve()
    registry.promote("times", 2, ANN)
    until(lambda: server.document("/api/v1/models/times")["error"] is not None)
    model = server.document("/api/v1/models/times")
    assert (model["default_version"], model["preferred"], model["state"]) == (1, 2, "ready")
    assert "times.onnx" in model["error"]
    assert server.answers() == server.answers("production") == 1
    registry.rollback("times", ANN)
    until(lambda: server.document("/api/v1/models/times")["error"] is None)
    assert server.answers() == 1


def test_artifacts_that_are_gone_are_told_and_fetched_once_they_are_back(registry, serve, tmp_path, home):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    server = serve()
    blobs = {path: path.read_bytes() for path in (home / "artifacts/blobs").glob("*/*")}
    for path in blobs:
        path.unlink()
    registry.promote("times", 2, ANN)
    until(lambda: server.document("/api/v1/models/times")["desired"]["problems"] != {})
    model = server.document("/api/v1/models/times")
    assert "is not in the artifact store" in model["desired"]["problems"]["2"]
    assert "is not in the artifact store" in model["error"]
    assert server.answers() == 1
    for path, content in blobs.items():
        path.write_bytes(content)
    until(lambda: server.answers() == 2)


def test_a_version_waits_for_a_rollback_as_long_as_it_is_told(registry, serve, tmp_path):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    server = serve(env={"MODELPORT_WARM_SECONDS": "3"})
    registry.promote("times", 2, ANN)
    until(lambda: server.answers() == 2)
    assert server.answers("1") == 1
    until(lambda: str(server.answers("1")).startswith("404"))
    assert registry.rollback("times", ANN) == 1
    until(lambda: server.answers() == 1)


def test_started_anew_it_has_loaded_what_a_rollback_wants(registry, serve, tmp_path):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    registry.promote("times", 2, ANN)
    server = serve()
    until(lambda: server.answers("1") == 1)
    assert server.answers() == 2


def test_killed_while_it_fetches_no_half_content_is_left_and_the_next_start_serves(
    registry, run_server, tmp_path, home
):
    push(registry, tmp_path, 1, megabytes=60)
    registry.promote("times", 1, ANN)
    killed = 0
    for _ in range(3):
        server = run_server("--home", home)
        with contextlib.suppress(AssertionError):
            until(lambda: list((home / "cache").glob(".????????*-*/.writing-*")) != [], 20)
            killed += 1
        server.process.send_signal(signal.SIGKILL)
        server.wait_ended()
        whole = [path for path in (home / "cache").glob("????????*") if len(path.name) == 64]
        if whole:
            break
    assert killed
    server = Asked(run_server("--home", home).wait_ready())
    assert server.answers() == 1
    assert list((home / "cache").glob(".????????*-*")) == []


def test_with_the_registry_away_a_server_starts_from_its_cache(registry, serve, tmp_path, home):
    push(registry, tmp_path, 2)
    registry.set_alias("times", "staging", 2, ANN)
    registry.promote("times", 1, ANN)
    assert serve().server.stop() == 0
    registry.close()
    aside = tmp_path / "aside"
    aside.mkdir()
    away = [*home.glob("registry.db*"), home / "artifacts"]
    for path in away:
        path.rename(aside / path.name)
    (home / "registry.db").mkdir()
    server = serve("--workers", "2")
    assert all_answer([server], 1)
    assert server.answers("staging") == 2
    following = server.document()["following"]
    assert following["from_cache"] is True
    assert "registry.db" in following["error"]
    assert "serving what the registry" in server.server.output
    assert server.metric("registry_away") == 2
    (home / "registry.db").rmdir()
    shutil.rmtree(home / "artifacts")  # which opening the registry made
    for path in away:
        (aside / path.name).rename(path)
    registry.promote("times", 2, ANN)
    until(lambda: all_answer([server], 2))
    assert server.document()["following"]["from_cache"] is False


def test_without_registry_and_cache_it_says_so_and_is_not_ready_until_it_comes(run_server, home, registry, tmp_path):
    push(registry, tmp_path, 1)
    registry.promote("times", 1, ANN)
    registry.close()
    aside = tmp_path / "aside"
    home.rename(aside)
    home.mkdir()
    (home / "registry.db").mkdir()
    server = run_server("--home", home)
    server.wait_said("nothing of the registry is remembered here")
    server.wait_said(r"the registry .*home can't be reached: .*registry\.db")
    assert server.url == ""
    (home / "registry.db").rmdir()
    shutil.rmtree(home / "artifacts", ignore_errors=True)
    for path in aside.iterdir():
        os.rename(path, home / path.name)
    assert Asked(server.wait_ready()).answers() == 1


def test_a_registry_that_lost_everything_is_not_believed(registry, serve, tmp_path, home):
    push(registry, tmp_path, 1)
    registry.promote("times", 1, ANN)
    options = ("--cache", tmp_path / "cache")
    assert serve(*options).server.stop() == 0
    registry.close()
    home.rename(tmp_path / "aside")
    server = serve(*options)
    assert server.answers() == 1
    assert "is empty, and was at event" in server.document()["following"]["error"]


def test_a_server_follows_the_registry_of_another(registry, serve, run_server, tmp_path):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    first = serve()
    follower = Asked(
        run_server(
            "--registry", first.server.url, "--cache", tmp_path / "cache", env={"MODELPORT_HOME": ""}
        ).wait_ready()
    )
    assert follower.answers() == 1
    registry.promote("times", 2, ANN)
    until(lambda: all_answer([first, follower], 2))
    assert follower.document("/api/v1/registry/models")["kind"] == "not_found"
    first.server.stop()
    until(lambda: follower.document()["following"]["error"] is not None)
    assert follower.answers() == 2


def test_a_server_that_is_stopped_while_it_fetches_stops(registry, run_server, tmp_path, home):
    push(registry, tmp_path, 1, megabytes=100)
    registry.promote("times", 1, ANN)
    server = run_server("--home", home)
    until(lambda: list((home / "cache").glob(".????????*-*")) != [], 20)
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_workers_are_renewed_and_follow(registry, serve, tmp_path):
    push(registry, tmp_path, 2)
    registry.promote("times", 1, ANN)
    server = serve("--workers", "2")
    before = set(server.server.children())
    server.server.process.send_signal(signal.SIGHUP)
    until(lambda: len(server.server.children()) == 2 and not before & set(server.server.children()))
    registry.promote("times", 2, ANN)
    until(lambda: all_answer([server], 2))
