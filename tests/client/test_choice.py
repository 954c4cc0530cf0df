"""Which dialect is chosen: by itself, without a network; then by clients and servers."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from modelport.client import AsyncClient, Client, choice
from modelport.client.choice import FAILURES, ROUND, WARM, Choice
from modelport.client.dialects import Dialects
from modelport.client.grpc_channel import AsyncGrpcChannel, GrpcChannel
from modelport.core.errors import InvalidInputError, MissingExtraError

BOTH = ("binary", "grpc")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(choice, "monotonic", lambda: Clock.now)
    return Clock


def run(made, seconds, dialects=BOTH, calls=2 * ROUND):
    picked = []
    for _ in range(calls):
        dialect = made.pick(dialects)
        picked.append(dialect)
        if seconds[dialect] is None:
            made.failed(dialect)
        else:
            made.took(dialect, seconds[dialect])
    return picked


def test_dialects_take_turns_and_the_fastest_stays(clock):
    made = Choice()
    picked = run(made, {"binary": 2.0, "grpc": 1.0})
    assert picked[:4] == ["binary", "grpc", "binary", "grpc"]
    assert picked.count("grpc") == picked.count("binary") == ROUND
    assert made.chosen == "grpc"
    assert made.medians == {"binary": 2.0, "grpc": 1.0}
    assert set(run(made, {"grpc": 9.0}, calls=100)) == {"grpc"}


def test_first_calls_and_rare_slow_ones_do_not_count(clock):
    made = Choice()
    for number in range(ROUND):
        for dialect in BOTH:
            made.pick(BOTH)
            slow = number < WARM or number == ROUND - 1
            made.took(dialect, 99.0 if dialect == "grpc" and slow else 1.0 if dialect == "grpc" else 2.0)
    assert made.chosen == "grpc"


def test_it_is_measured_again_and_more_and_more_rarely(clock):
    made = Choice()
    run(made, {"binary": 1.0, "grpc": 2.0})
    for period in (60, 120, 240):
        clock.now += period - 1
        assert made.pick(BOTH) == made.chosen
        clock.now += 2
        seconds = {"binary": 2.0, "grpc": 1.0} if made.chosen == "binary" else {"binary": 1.0, "grpc": 2.0}
        before = made.chosen
        assert set(run(made, seconds)) == set(BOTH)
        assert made.chosen != before


def test_failures_are_not_speed(clock):
    made = Choice()
    picked = run(made, {"binary": 5.0, "grpc": None}, calls=4 * ROUND)
    assert picked.count("grpc") == FAILURES
    assert made.chosen == "binary"


def test_a_chosen_dialect_that_breaks_is_left(clock):
    made = Choice()
    run(made, {"binary": 2.0, "grpc": 1.0})
    picked = run(made, {"binary": 2.0, "grpc": None}, calls=4 * ROUND)
    assert picked.count("grpc") == FAILURES
    assert made.chosen == "binary"
    clock.now += 10_000
    run(made, {"binary": 2.0, "grpc": 1.0})
    assert made.chosen == "grpc"


def test_some_failures_between_successes_change_nothing(clock):
    made = Choice()
    run(made, {"binary": 2.0, "grpc": 1.0})
    for _ in range(10):
        for _ in range(FAILURES - 1):
            made.failed(made.pick(BOTH))
        made.took(made.pick(BOTH), 1.0)
    assert made.chosen == "grpc"
    assert not made.measuring


def test_where_all_fail_all_are_tried(clock):
    made = Choice()
    assert set(run(made, {"binary": None, "grpc": None}, calls=50)) == set(BOTH)
    run(made, {"binary": 1.0, "grpc": 2.0}, calls=3 * ROUND)
    assert made.chosen == "binary"


def test_calls_without_an_outcome_do_not_keep_it_from_ending(clock):
    made = Choice()
    for _ in range(1000):
        made.pick(BOTH)
    run(made, {"binary": 2.0, "grpc": 1.0}, calls=3 * ROUND)
    assert made.chosen == "grpc"


def test_one_dialect_needs_no_measuring(clock):
    made = Choice()
    assert run(made, {"json": 1.0}, ("json",)) == ["json"] * 2 * ROUND
    assert made.chosen is None


def test_a_choice_under_threads():
    made = Choice()

    def call(_):
        dialect = made.pick(BOTH)
        made.took(dialect, {"binary": 2.0, "grpc": 1.0}[dialect])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(2000)))
    assert made.chosen == "grpc"


def test_what_metadata_says():
    for extensions, spoken in (([], "json"), (["binary_data"], "binary"), (["binary_tensor_data", "grpc"], "binary")):
        dialects = Dialects("auto", None)
        assert dialects.of("m", "", 0) == "auto"
        dialects.learn({"extensions": extensions})
        for _ in range(100):
            assert dialects.pick("m", "", 0)[0] == spoken
        assert dialects.of("m", "", 0) == spoken


def inner(client):
    """The client itself, whichever it is."""
    return client if isinstance(client, Client) else client._client


def settle(client, model, array):
    """Call until the choice is made."""
    until = time.monotonic() + 30
    while client.dialect_for(model, nbytes=array.nbytes) == "auto" or not inner(client)._dialects.measured:
        assert time.monotonic() < until
        result = client.infer(model, array)
        np.testing.assert_array_equal(next(iter(result.values())), array)
        time.sleep(0.001)
    return next(iter(inner(client)._dialects._choices.values()))


@pytest.mark.parametrize("shape", [(1, 4), (200, 200)])
def test_a_client_of_a_real_server_measures_both_and_chooses(make, server, shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    with make(server.url) as client:
        assert settle(client, "identity_FP32", array).medians.keys() == set(BOTH)
        chosen = client.dialect_for("identity_FP32", nbytes=array.nbytes)
        assert chosen in BOTH
        told = repr(inner(client))
        assert f"by {chosen}" in told
        assert "µs" in told
        assert ("large" if array.nbytes > 65536 else "small") in told
        assert client.dialect_for("another") == "auto"
        client.infer("identity_FP32", array)


def test_a_server_without_grpc_sees_nothing_of_it(make, echo_url, behaviour):
    with make(echo_url) as client:
        for _ in range(60):
            client.infer("echo", {"X": np.zeros(3)})
        assert client.dialect_for("echo") == "binary"
    assert {path.split()[0] for path in behaviour.paths()} == {"GET", "POST"}
    assert len(behaviour.seen) == 62


def test_a_proxy_that_passes_on_the_metadata_but_no_http2(make, echo_url, behaviour):
    behaviour.extensions = ["binary_tensor_data", "grpc"]
    with make(echo_url) as client:
        for _ in range(60):
            client.infer("echo", {"X": np.zeros(3)})
        assert client.dialect_for("echo") == "binary"
    assert behaviour.paths().count("POST /v2/models/echo/infer") == 60


def test_grpc_that_breaks_later_falls_back_without_an_error(make, server):
    array = np.zeros((1, 4), np.float32)
    with make(server.url) as client:
        made = settle(client, "identity_FP32", array)
        made.chosen = "grpc"
        client.infer("identity_FP32", array)
        kind, (address, *others) = type(inner(client)._grpc), inner(client)._setting
        elsewhere = replace(address, port=1), *others
        if kind is GrpcChannel:
            inner(client)._grpc.close()
            inner(client)._grpc = kind(*elsewhere)
        else:
            client._loop.run_until_complete(inner(client)._grpc.close())
            client._loop.run_until_complete(moved(inner(client), elsewhere))
        for _ in range(40):
            client.infer("identity_FP32", array)
        assert client.dialect_for("identity_FP32") == "binary"
        assert "grpc" not in made.medians


async def moved(client, setting):
    client._grpc = AsyncGrpcChannel(*setting)


@pytest.mark.parametrize("dialect", ["json", "binary", "grpc"])
def test_a_pinned_dialect(make, server, dialect):
    with make(server.url, dialect=dialect) as client:
        client.infer("iris", np.ones((1, 4), np.float32))
        assert client.dialect_for("iris") == dialect


def test_dialects_that_are_none(monkeypatch):
    with pytest.raises(InvalidInputError, match=r"'soap'.*auto, json, binary, grpc"):
        Client("http://host", dialect="soap")
    with pytest.raises(InvalidInputError, match="path"):
        Client("http://host/prefix", dialect="grpc")
    with pytest.raises(InvalidInputError, match="transport"):
        Client("http://host", dialect="grpc", transport=lambda request: None)
    monkeypatch.setattr("modelport.client.grpc_channel.find_spec", lambda name: None)
    for kind in (Client, AsyncClient):
        with pytest.raises(MissingExtraError, match=r"modelport\[grpc\]"):
            kind("http://host", dialect="grpc")


def test_without_grpcio_auto_is_binary(make, server, monkeypatch):
    monkeypatch.setattr("modelport.client.grpc_channel.find_spec", lambda name: None)
    with make(server.url) as client:
        for _ in range(60):
            client.infer("iris", np.ones((1, 4), np.float32))
        assert client.dialect_for("iris") == "binary"


async def test_many_tasks_while_it_is_measured(server):
    async with AsyncClient(server.url) as client:
        for _ in range(10):
            arrays = [np.full((1, 4), number, np.float32) for number in range(30)]
            results = await asyncio.gather(*(client.infer("identity_FP32", array) for array in arrays))
            for array, result in zip(arrays, results, strict=True):
                np.testing.assert_array_equal(next(iter(result.values())), array)
