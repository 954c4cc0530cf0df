"""What a batch costs by its rows, and how many rows that speaks for."""

import pytest

from modelport.engine.cost_curve import CostCurve


def curve(costs):
    made = CostCurve()
    for rows, cost in costs.items():
        made.observe(rows, cost)
    return made


@pytest.mark.parametrize(
    ("costs", "favoured"),
    [
        ({}, 2),  # nothing is known: two are tried
        ({1: 5.0}, 2),
        ({1: 5, 2: 10, 4: 20, 8: 40}, 1),  # joining never pays
        ({1: 5, 2: 9.8, 4: 19.5, 8: 39}, 1),
        ({1: 5, 2: 5.4, 4: 6.3, 8: 8}, 16),  # the last one still pays: twice that is tried
        ({1: 5, 2: 5.4, 4: 6.3, 8: 8, 16: 16}, 8),
        ({1: 1, 2: 2, 4: 2.2, 8: 4.4}, 4),  # worth it only from four on, as with vector units
    ],
)
def test_the_favoured_size_is_where_more_rows_do_not_pay(costs, favoured):
    assert curve(costs).favoured(256) == favoured


def test_a_limit_holds():
    assert curve({1: 5, 2: 5, 4: 5, 8: 5}).favoured(3) == 3
    assert curve({}).favoured(1) == 1


def test_costs_between_and_beyond_what_is_known():
    made = curve({1: 5, 8: 12})
    assert made.cost(1) == 5
    assert made.cost(8) == 12
    assert made.cost(4) == pytest.approx(8)
    assert made.cost(16) == 24
    assert CostCurve().cost(1) is None
    assert made.points == [(1, 5), (8, 12)]


def test_load_keeps_it_up_to_date():
    made = curve({1: 5, 2: 5.5, 4: 6})
    for _ in range(200):
        made.observe(4, 24)
        made.observe(2, 12)
    assert made.cost(4) == pytest.approx(24, rel=0.01)
    assert made.favoured(64) == 1
    made.observe(0, 1)
    assert len(made.points) == 3
