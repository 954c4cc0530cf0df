"""What an alias goes back to."""

import random
from itertools import pairwise

from modelport.registry.pasts import DEEPEST, after, parse_past, past_text, without


def test_what_was_named_goes_on_the_stack():
    assert after((), 0) == ()
    assert after((), 1) == (1,)
    assert after((1, 2), 1) == (1, 2, 1)


def test_it_remembers_so_many():
    past = ()
    for number in range(1, DEEPEST + 51):
        past = after(past, number)
    assert past == tuple(range(51, DEEPEST + 51))
    assert parse_past(past_text(past)) == past


def test_a_deleted_version_leaves_no_way_back_that_leads_nowhere():
    assert without((1, 2, 3), 2, 4) == (1, 3)
    assert without((1, 2, 1), 2, 3) == (1,)
    assert without((1, 2), 2, 1) == ()
    assert without((1, 1), 5, 2) == (1,)
    assert without((), 1, 2) == ()


def test_each_way_back_leads_to_another_version():
    chance = random.Random(7)
    for _ in range(500):
        named, past = 0, ()
        for _ in range(20):
            number = chance.randint(1, 4)
            if chance.random() < 0.3 and number != named:
                past = without(past, number, named)
            elif number != named:
                named, past = number, after(past, named)
        way = (*past, named)
        assert all(one != following for one, following in pairwise(way))
