import math
import random
import statistics

import pytest
from scipy import stats

from modelport.registry.releases import OutcomeFigures
from modelport.release.conducting.significance import compare, is_yes_or_no, student_quantile, student_tails


def figures(values, version=1):
    return OutcomeFigures(version, len(values), statistics.fmean(values), statistics.variance(values))


def yes(count, of, version=1):
    return figures([1.0] * count + [0.0] * (of - count), version)


@pytest.mark.parametrize("freedom", [1.0, 1.7, 3.0, 17.5, 200.0, 1e5])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 12.0])
def test_students_distribution(freedom, t):
    assert student_tails(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("freedom", [1.0, 2.0, 9.3, 50.0, 1e6])
def test_its_quantile(freedom):
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


def test_means_are_compared_by_welchs_test():
    drawn = random.Random(2)
    one = [drawn.gauss(10, 1) for _ in range(40)]
    other = [drawn.gauss(10.8, 3) for _ in range(25)]
    compared = compare(figures(one), figures(other, 2))
    expected = stats.ttest_ind(other, one, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert compared.test == "Welch's t-test"
    assert compared.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (compared.low, compared.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))
    assert compared.significant == (expected.pvalue < 0.05)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(120, 1000, 160, 1000), (5, 50, 6, 50), (0, 30, 9, 30), (1, 2, 2, 2)])
def test_shares_are_compared_by_the_z_test(a, n, b, m):
    compared = compare(yes(a, n), yes(b, m, 2))
    chi = stats.chi2_contingency([[a, n - a], [b, m - b]], correction=False)  # z² of the same test
    assert compared.test == "two-proportion z-test"
    assert compared.difference == pytest.approx(b / m - a / n)
    assert compared.p == pytest.approx(chi.pvalue, rel=1e-9)
    assert compared.low < compared.difference < compared.high
    assert compared.low >= -1
    assert compared.high <= 1


def test_newcombes_interval_as_he_published_it():
    """The example (a) of his paper: 56/70 and 48/80, method 10: 0.0524 to 0.3339."""
    compared = compare(yes(48, 80), yes(56, 70, 2))
    assert (compared.low, compared.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_what_can_not_be_told():
    assert compare(yes(1, 2), OutcomeFigures(2, 1, 1.0, 0.0)) is None
    same = compare(yes(5, 5), yes(9, 9, 2))
    assert (same.p, same.significant) == (1.0, False)
    still = compare(figures([3.0, 3.0]), figures([3.0, 3.0], 2))
    assert (still.difference, still.p) == (0.0, 1.0)
    apart = compare(figures([3.0, 3.0]), figures([4.0, 4.0], 2))
    assert (apart.difference, apart.p) == (1.0, 0.0)


def test_yes_and_no_are_told_from_numbers():
    assert is_yes_or_no(yes(3, 7))
    assert is_yes_or_no(yes(0, 7))
    assert not is_yes_or_no(figures([0.0, 1.0, 0.5, 1.0]))
    assert not is_yes_or_no(figures([1.0, 2.0, 2.0]))
    assert not is_yes_or_no(figures([3.0, 3.0]))


def test_under_chance_a_twentieth_is_called_significant():
    drawn, called, rounds = random.Random(4), 0, 400
    for _ in range(rounds):
        groups = [sum(drawn.random() < 0.3 for _ in range(300)) for _ in range(2)]
        called += compare(yes(groups[0], 300), yes(groups[1], 300, 2)).significant
    expected = 0.05 * rounds
    assert abs(called - expected) < 4 * math.sqrt(expected * 0.95)
