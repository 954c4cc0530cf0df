"""Rollouts on real servers that follow a registry."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import httpx
import pytest
import rollout_callers as callers
from conducting_cases import ANN, BAD, fill, start

from modelport.core.request_id import parse_request_id
from modelport.engine.rollouts.share import place_of
from modelport.registry.releases import RolloutChange

RULE = "error_rate > 1% or p99 > 2x or disagreement > 2%"
KEYS = [f"user-{number}" for number in range(24)]


def until(true: Callable[[], bool], seconds: float = 30) -> float:
    """Wait; gives how long, in seconds."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if true():
            return time.monotonic() - begun
        time.sleep(0.02)
    raise AssertionError(f"it did not come true in {seconds} s")


def is_split(url, name="m"):
    """Whether every worker that a few new connections meet splits a model's traffic."""
    return all(callers.open_inference(url, name, "k")[1] for _ in range(12))


def expected(rollout, key, percent):
    return 2 if place_of(rollout.id, key.encode()) < percent else 1


class Load:
    """Asks a model again and again with fresh keys. `versions` are those that answered, `refused` the failures."""

    def __init__(self, url, name, values=(3.0,)):
        self.versions, self.refused = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(url, name, itertools.cycle(values)))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)

    def _run(self, url, name, values):
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            for number in itertools.count():
                if self._stop.wait(0.002):
                    return
                response = client.post(
                    f"/v2/models/{name}/infer",
                    content=callers.raw_body(next(values)),
                    headers={"x-routing-key": f"{number}"},
                )
                kept = self.versions if response.status_code == 200 else self.refused
                kept.append(int(response.headers["x-model-version"]))


def test_every_way_in_finds_the_same_side_and_says_so(registry, run_server, tmp_path):
    server = run_server("--home", tmp_path / "home").wait_ready()
    for way in callers.WAYS:
        assert way(server.url, "m", "k") == (1, ""), way.__name__
    rollout = start(registry, steps=(40.0,))
    until(lambda: is_split(server.url))
    for way in callers.WAYS:
        for key in KEYS[:8]:
            version, request_id = way(server.url, "m", key)
            assert version == expected(rollout, key, 40.0), way.__name__
            assert parse_request_id(request_id).version == version
            assert parse_request_id(request_id).rollout == rollout.id
    assert parse_request_id(callers.open_inference(server.url, "m", KEYS[0], version="2")[1]).rollout == 0
    assert {callers.open_inference(server.url, "m", key, version="1")[0] for key in KEYS} == {1}
    by_body = {x: callers.open_inference(server.url, "m", None, x)[0] for x in map(float, range(24))}
    assert set(by_body.values()) == {1, 2}
    assert all(callers.open_inference(server.url, "m", None, x)[0] == side for x, side in by_body.items())
    assert server.stop() == 0, server.output


def test_workers_and_servers_agree_and_a_restart_changes_nothing(registry, run_server, tmp_path):
    two = run_server("--home", tmp_path / "home", "--workers", "2").wait_ready()
    one = run_server("--registry", two.url, "--cache", tmp_path / "cache").wait_ready()
    rollout = start(registry, steps=(5.0, 40.0, 100.0), every=3600.0)
    until(lambda: is_split(one.url) and is_split(two.url))
    for server in (one, two, two, two):
        assert [callers.open_inference(server.url, "m", key)[0] for key in KEYS] == [
            expected(rollout, key, 5.0) for key in KEYS
        ]
    change = RolloutChange(expect_step=0, step=1)
    registry.change_rollout(rollout.id, change=change, by=ANN)
    wanted = [expected(rollout, key, 40.0) for key in KEYS]
    assert 2 in wanted

    def sides(server):
        return [callers.open_inference(server.url, "m", key)[0] for key in KEYS]

    until(lambda: sides(one) == wanted and all(sides(two) == wanted for _ in range(3)))
    until(lambda: {seen.version for seen in registry.observations(rollout.id)} == {1, 2})
    one.stop()
    again = run_server("--registry", two.url, "--cache", tmp_path / "cache").wait_ready()
    until(lambda: is_split(again.url))
    outcome = {"request_id": callers.open_inference(again.url, "m", "k")[1], "outcome": 1}
    assert httpx.post(f"{again.url}/models/m/feedback", json=outcome, trust_env=False).json() == {"kept": 1}
    assert [figures.count for figures in registry.outcomes("m", rollout.id)] == [1]
    assert sides(again) == wanted
    until(lambda: any(f":{again.process.pid}:" in seen.server for seen in registry.observations(rollout.id)))
    assert two.stop() == 0, two.output


@pytest.mark.parametrize(
    ("fault", "values", "kind", "word"),
    [
        ({"fails": True}, (3.0, BAD + 5.0), "canary", "error_rate is"),
        ({"work": 60}, (3.0,), "canary", "p99 is"),
        ({"factor": 2.1}, (3.0,), "canary", "disagreement is"),
        ({"factor": 2.1}, (3.0,), "shadow", "disagreement is"),
        ({"fails": True}, (3.0, BAD + 5.0), "shadow", "error_rate is"),
    ],
)
def test_a_bad_version_is_taken_back_by_itself(registry, run_server, tmp_path, fault, values, kind, word):
    name = "bad"
    fill(registry, tmp_path, name, **fault)
    server = run_server("--home", tmp_path / "home").wait_ready()
    with Load(server.url, name, values) as load:
        until(lambda: len(load.versions) > 100)
        rollout = start(registry, name, kind=kind, steps=(50.0, 100.0), every=3600.0, abort_if=RULE, min_requests=30)
        until(lambda: not registry.rollout(rollout.id).open)
        ended = registry.rollout(rollout.id)
        assert (ended.state, ended.step) == ("aborted", 0)
        assert word in ended.reason
        until(lambda: not callers.open_inference(server.url, name, "k")[1])
        count = len(load.versions), len(load.refused)
        until(lambda: len(load.versions) > count[0] + 50)
    assert set(load.versions[count[0] + 1 :]) == {1}
    assert load.refused[count[1] :] == []
    assert (2 in load.versions) == (kind == "canary")
    assert load.refused == [] or kind == "canary"
    shown = httpx.get(f"{server.url}/api/v1/registry/rollouts/{rollout.id}/report", trust_env=False).json()
    assert shown["rule"]["standing"] == "holds"
    assert word in shown["next"]
    assert registry.model(name).aliases == {"production": 1}
    assert registry.verify().problems == ()
    assert server.stop() == 0, server.output


def test_a_good_version_gets_into_production_by_itself_over_a_restart(registry, run_server, tmp_path):
    server = run_server("--home", tmp_path / "home").wait_ready()
    rollout = start(registry, steps=(20.0, 60.0, 100.0), every=0.5, abort_if="error_rate > 1%", min_requests=20)
    with Load(server.url, "m"):
        until(lambda: registry.rollout(rollout.id).step == 1)
    server.stop()
    step = registry.rollout(rollout.id).step
    assert registry.rollout(rollout.id).open
    again = run_server("--home", tmp_path / "home").wait_ready()
    with Load(again.url, "m") as load:
        until(lambda: registry.rollout(rollout.id).state == "promoted")
        until(lambda: load.versions[-20:] == [2] * 20)
    assert step >= 1
    assert load.refused == []
    advanced = [event for event in registry.history("m") if event.kind == "rollout.advanced"]
    assert len(advanced) == 2
    assert registry.model("m").aliases == {"production": 2}
    assert again.stop() == 0, again.output
