"""The load generator against servers whose behaviour is known."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace

import numpy as np
import pytest

from cli.slow_server import ANSWER, KnownServer, sleeping
from modelport.client.address import parse_address
from modelport.client.load import Outcome, Plan, payload, run
from modelport.client.load.flow import dues
from modelport.client.load.search import highest_rate, keeps


@pytest.fixture
def known():
    """Makes servers; they end with the test."""
    made = []

    def make(before):
        made.append(KnownServer(before))
        return made[-1]

    yield make
    for server in made:
        server.close()


def plan(server, **changes):
    address = parse_address(server.url)
    request = payload(address, "known", "", {"X": np.zeros((1, 3), np.float32)}, "json")
    return replace(Plan(address, request, connections=4, warmup=0.1, seconds=1.0, timeout=5.0), **changes)


def test_a_closed_loop_measures_what_the_server_takes(known):
    outcome = run(plan(known(sleeping(0.02))))
    assert outcome.latencies.least >= 0.02
    assert outcome.latencies.percentile(50) < 0.2
    # four connections, 20 ms each: no more than 200 a second, and what was counted fits the latency (Little's law)
    assert 0 < outcome.throughput <= 204
    assert outcome.throughput * outcome.latencies.mean == pytest.approx(4, rel=0.25)
    assert outcome.failed == 0
    assert outcome.sent == outcome.done * 12


def test_an_open_loop_sends_at_its_rate_and_not_at_the_servers(known):
    server = known(sleeping(0.01))
    outcome = run(plan(server, rate=100.0, connections=8, poisson=False))
    assert outcome.lags.count == pytest.approx(100, abs=1)
    assert server.asked == pytest.approx(110, abs=2)
    assert outcome.latencies.least >= 0.01


def test_an_open_loop_reveals_a_stall(known):
    def stall(number):
        if number == 60:
            time.sleep(1.0)

    outcome = run(plan(known(stall), rate=100.0, connections=1, seconds=2.0, poisson=False))
    # one request in two hundred stalled; but all that was due in that second had to wait
    assert outcome.latencies.percentile(99) > 0.8
    assert outcome.latencies.percentile(75) > 0.2
    assert outcome.latencies.count == outcome.lags.count

    closed = run(plan(known(stall), connections=1, seconds=2.0))
    assert closed.latencies.greatest > 1.0
    assert closed.latencies.percentile(99) < 0.2


def test_processes_share_the_connections_and_the_rate(known):
    server = known(sleeping(0.01))
    outcome = run(plan(server, processes=2, rate=60.0, connections=5))
    assert len(outcome.processor) == 2
    assert outcome.rate == pytest.approx(60)
    assert [part.connections for part in plan(server, processes=2, connections=5).parts()] == [3, 2]
    assert len(plan(server, processes=9, connections=5).parts()) == 5


def test_refusals_are_counted_by_kind_and_not_in_the_latencies(known):
    def every_other(number):
        time.sleep(0.002)
        return (429, {"error": "too much", "kind": "overloaded"}) if number % 2 else None

    outcome = run(plan(known(every_other), connections=1))
    assert outcome.errors.keys() == {"429 overloaded"}
    assert outcome.samples == {"429 overloaded": "too much"}
    assert abs(outcome.failed - outcome.done) <= 2


def test_the_check_finds_another_answer_but_not_another_rounding(known):
    def answer(number):
        time.sleep(0.001)
        value = {0: 0.5, 1: 0.5000001, 2: 0.6}[number % 3]
        return 200, {**ANSWER, "outputs": [{**ANSWER["outputs"][0], "data": [value]}]}

    checked = run(plan(known(answer), connections=1, check=True, warmup=0.0))
    assert checked.errors.keys() == {"another answer"}
    assert "0.6" in checked.samples["another answer"]
    assert checked.done == pytest.approx(2 * checked.failed, abs=3)
    assert run(plan(known(answer), connections=1)).failed == 0


BODY = json.dumps(ANSWER).encode()
RESPONSES = {
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (BODY[:5], len(BODY) - 5, BODY[5:]),
    "closing": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "until the end": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n%b" % BODY,
    "compressed": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b"
    % (len(gzip.compress(BODY, mtime=0)), gzip.compress(BODY, mtime=0)),
}


@pytest.mark.parametrize("kind", RESPONSES)
def test_responses_as_http_allows_them(known, kind):
    def answer(number):
        time.sleep(0.002)
        return RESPONSES[kind] if number % 2 else None

    outcome = run(plan(known(answer), connections=2, check=True, seconds=0.5))
    assert outcome.failed == 0
    assert outcome.done > 4


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"SSH-2.0-OpenSSH connection: close\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100\r\n\r\nshort", "connection closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n[1,2]", "unreadable"),
    ],
)
def test_responses_that_are_none(known, response, kind):
    def answer(number):
        time.sleep(0.002)
        return response if number > 5 else None

    outcome = run(plan(known(answer), connections=1, check=True, seconds=0.3, warmup=0.0))
    assert set(outcome.errors) == {kind}
    assert outcome.done == 5


def test_a_server_that_does_not_answer_is_a_timeout(known):
    server = known(lambda number: time.sleep(1.0) if number > 3 else None)
    outcome = run(plan(server, connections=1, timeout=0.3, seconds=0.5, warmup=0.0))
    assert outcome.errors["timeout"] >= 1
    assert outcome.done >= 1


def test_nobody_there():
    address = parse_address("http://127.0.0.1:9")
    request = payload(address, "known", "", {"X": np.zeros((1, 3), np.float32)}, "json")
    outcome = run(Plan(address, request, 1, seconds=0.3, warmup=0.0))
    assert outcome.done == 0
    assert outcome.errors.keys() == {"no connection"}
    assert outcome.samples["no connection"] == "connection refused"
    waiting = run(Plan(address, request, 1, rate=50.0, seconds=0.3, warmup=0.0, timeout=0.2))
    assert waiting.errors.keys() == {"timeout"}
    assert waiting.failed == waiting.lags.count


@pytest.mark.parametrize("poisson", [True, False])
def test_the_times_of_an_open_loop(poisson):
    drawn = dues(10.0, 200.0, 7, poisson=poisson)
    gaps = np.diff([next(drawn) for _ in range(10_001)])
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.05)
    # random arrivals vary as much as they are apart, even ones not at all
    assert gaps.std() == pytest.approx(1 / 200 if poisson else 0, rel=0.1, abs=1e-9)
    assert next(dues(10.0, 200.0, 7, poisson=poisson)) == next(dues(10.0, 200.0, 7, poisson=poisson))


def measured(rate, p99, failed=0):
    outcome = Outcome(seconds=1.0, rate=rate, done=int(rate or 1000) - failed)
    outcome.latencies.add([p99] * 10)
    outcome.errors["timeout"] += failed
    return outcome


def test_the_search_finds_the_highest_rate_and_confirms_it(known):
    told = []

    def server(asked):
        if asked.rate is None:
            return measured(None, 0.1)
        return measured(asked.rate, 0.005 if asked.rate <= 700 else 0.05)

    found = highest_rate(plan(known(sleeping(0))), 0.01, server, lambda *probe: told.append(probe))
    assert 700 / 1.06 <= found.rate <= 700
    assert [kept for _, _, kept in told[-2:]] == [True, True]
    assert told == found.probes


def test_luck_is_no_confirmation(known):
    lucky = iter([True] * 4)

    def server(asked):
        if asked.rate is None:
            return measured(None, 0.1)
        return measured(asked.rate, 0.005 if asked.rate <= 300 or next(lucky, False) else 0.05)

    found = highest_rate(plan(known(sleeping(0))), 0.01, server, lambda *probe: None)
    assert 250 <= found.rate <= 300


def test_what_keeps_a_target():
    assert keeps(measured(100.0, 0.005), 0.01)
    assert not keeps(measured(100.0, 0.02), 0.01)
    assert not keeps(measured(100.0, 0.005, failed=1), 0.01)
    behind = measured(100.0, 0.005)
    behind.done = 50
    assert not keeps(behind, 0.01)


def test_the_outcome_says_when_the_load_was_the_bottleneck():
    fine = measured(None, 0.01)
    fine.processor, fine.starved, fine.cores = [0.5], [0.0], 2
    assert fine.limits() == []
    fine.processor = [0.97]
    assert "97% of a core" in fine.limits()[0]
    crowded = measured(None, 0.01)
    crowded.processor, crowded.cores = [0.5, 0.5], 1
    assert crowded.limits()
    starved = measured(None, 0.01)
    starved.starved = [0.3]
    assert "waited 30%" in starved.limits()[0]
    late = measured(100.0, 0.001)
    late.lags.add([0.02] * 100)
    assert "after they were due" in late.limits()[0]
    lazy = measured(100.0, 0.01)
    lazy.lags.add([0.0] * 50)
    assert "only 50 of 100" in lazy.limits()[0]
