import random

import pytest

from modelport.engine.rollouts.latencies import BOUNDS_NS, WIDTH, bucket_of, quantile
from modelport.engine.rollouts.share import WHOLE, body_key, place_of

KEYS = [b"user-%d" % number for number in random.Random(7).sample(range(10**9), 20_000)]


@pytest.mark.parametrize("percent", [0.5, 5, 25, 50, 95])
def test_the_share_is_that_of_the_percentage(percent):
    below = sum(place_of(12, key) < percent for key in KEYS)
    expected = percent / 100 * len(KEYS)
    assert abs(below - expected) < 4 * (expected * (1 - percent / 100)) ** 0.5


def test_a_place_is_the_same_everywhere():
    assert place_of(1, b"a") == pytest.approx(58.2590, abs=1e-4)  # printf 1:a | b2sum -l 64
    assert place_of(1, memoryview(b"a")) == place_of(1, bytearray(b"a")) == place_of(1, b"a")
    assert all(0 <= place_of(1, key) < 100 for key in KEYS)


def test_a_rising_percentage_keeps_who_was_there():
    before = {key for key in KEYS if place_of(3, key) < 5}
    after = {key for key in KEYS if place_of(3, key) < 25}
    assert before < after


def test_another_rollout_draws_anew():
    first = {key for key in KEYS if place_of(3, key) < 10}
    second = {key for key in KEYS if place_of(4, key) < 10}
    both = len(first & second)
    assert both < 2 * len(first) * 0.1


def test_large_bodies_are_told_apart_by_their_ends_and_length():
    body = bytes(WHOLE + 1)
    assert len(body_key(body)) < WHOLE + 20
    assert body_key(body[:WHOLE]) == body[:WHOLE]
    assert body_key(body) != body_key(body + b"\0")
    assert body_key(body) != body_key(body[:-1] + b"\1")
    assert body_key(memoryview(body)) == body_key(body)


def test_quantiles_are_right_within_a_bucket():
    drawn = random.Random(3)
    seconds = sorted(drawn.lognormvariate(-6, 0.7) for _ in range(5000))
    counts = [0] * WIDTH
    for value in seconds:
        counts[bucket_of(int(value * 1e9))] += 1
    for part in (0.5, 0.95, 0.99):
        assert quantile(counts, part) == pytest.approx(seconds[int(part * 5000)], rel=0.08)


def test_close_latencies_stay_close():
    def p99(nanoseconds):
        counts = [0] * WIDTH
        counts[bucket_of(nanoseconds)] = 1000
        return quantile(counts, 0.99)

    assert p99(2_600_000) / p99(2_400_000) < 1.2
    assert p99(4_900_000) / p99(2_400_000) > 1.7


def test_the_ends_of_the_scale():
    assert quantile([0] * WIDTH, 0.5) is None
    counts = [0] * WIDTH
    counts[bucket_of(10**12)] = 1
    assert quantile(counts, 0.5) == BOUNDS_NS[-1] / 1e9
    counts = [0] * WIDTH
    counts[bucket_of(0)] = 1
    assert 0 < quantile(counts, 0.5) < 1e-5
