"""Is the difference between two groups' outcomes more than chance? From counts, means and variances alone.

No library of statistics is needed to serve models; the distributions are computed as their sources say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from modelport.registry.releases import OutcomeFigures

#: A p-value below this is called significant; the interval has the rest of 1.
ALPHA = 0.05
_Z = 1.959963984540054
_TINY, _CLOSE, _STEPS = 1e-300, 1e-14, 500


@dataclass(frozen=True, slots=True)
class Compared:
    """The candidate's mean less the baseline's, with a 95 % confidence interval, and the chance of such a difference
    (or a larger one) between groups that are alike."""

    test: str
    difference: float
    low: float
    high: float
    p: float

    @property
    def significant(self) -> bool:
        """Whether chance is hardly the reason."""
        return self.p < ALPHA


def compare(baseline: OutcomeFigures, candidate: OutcomeFigures) -> Compared | None:
    """By the test that fits the outcomes: of shares where all are 0 or 1, of means else. None for fewer than two."""
    if min(baseline.count, candidate.count) < 2:
        return None
    if is_yes_or_no(baseline) and is_yes_or_no(candidate):
        return two_proportions(baseline, candidate)
    return welch(baseline, candidate)


def is_yes_or_no(figures: OutcomeFigures) -> bool:
    """Whether all outcomes are 0 or 1: of numbers between the two only they vary so much around their mean.

    The variance of n numbers in [0, 1] is at most m (1 − m) n / (n − 1), for those that are all at an end.
    """
    mean, count = figures.mean, figures.count
    if not 0 <= mean <= 1:
        return False
    most = mean * (1 - mean) * count / max(count - 1, 1)
    return math.isclose(figures.variance, most, rel_tol=1e-6, abs_tol=1e-12)


def two_proportions(baseline: OutcomeFigures, candidate: OutcomeFigures) -> Compared:
    """The two-proportion z-test with a pooled share, two-sided; the interval is Newcombe's.

    Sources: NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.3; R. G. Newcombe, "Interval estimation for the
    difference between independent proportions", Statistics in Medicine 17 (1998), method 10.
    """
    one, other, n, m = candidate.mean, baseline.mean, candidate.count, baseline.count
    difference = one - other
    pooled = (one * n + other * m) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    p = math.erfc(abs(difference) / error / math.sqrt(2)) if error else 1.0
    (low, high), (other_low, other_high) = _wilson(one, n), _wilson(other, m)
    below = math.hypot(one - low, other_high - other)
    above = math.hypot(high - one, other - other_low)
    return Compared("two-proportion z-test", difference, difference - below, difference + above, p)


def welch(baseline: OutcomeFigures, candidate: OutcomeFigures) -> Compared:
    """Welch's t-test, two-sided, for groups that need not vary alike; the interval is of the same distribution.

    Sources: B. L. Welch, "The generalization of 'Student's' problem", Biometrika 34 (1947); NIST/SEMATECH e-Handbook
    of Statistical Methods, 1.3.5.3.
    """
    one, other = candidate.variance / candidate.count, baseline.variance / baseline.count
    difference, squared = candidate.mean - baseline.mean, one + other
    if squared <= 0:  # no outcome differs from its group's mean
        return Compared("Welch's t-test", difference, difference, difference, 1.0 if difference == 0 else 0.0)
    freedom = squared**2 / (one**2 / (candidate.count - 1) + other**2 / (baseline.count - 1))
    error = math.sqrt(squared)
    margin = student_quantile(freedom) * error
    p = student_tails(difference / error, freedom)
    return Compared("Welch's t-test", difference, difference - margin, difference + margin, p)


def student_tails(t: float, freedom: float) -> float:
    """The chance that a t-distributed number is as far from 0 as `t`: I_x(freedom/2, 1/2), x = freedom/(freedom + t²).

    Source: NIST Digital Library of Mathematical Functions, 8.17.
    """
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def student_quantile(freedom: float) -> float:
    """The t beyond which, on both sides together, lies a part of `ALPHA`. By bisection."""
    low, high = 0.0, 1.0
    while student_tails(high, freedom) > ALPHA and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tails(middle, freedom) > ALPHA else (low, middle)
    return high


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %."""
    z2 = _Z * _Z
    middle = share + z2 / (2 * count)
    spread = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return (middle - spread) / (1 + z2 / count), (middle + spread) / (1 + z2 / count)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function (DLMF 8.17.22, and 8.17.4 where that converges slowly)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(logarithm) * _fraction(x, a, b) / a
    return 1 - math.exp(logarithm) * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method (DLMF 3.10(iii))."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        half = step // 2
        if step % 2:
            factor = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            factor = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / ((1 + factor * d) or _TINY)
        c = (1 + factor / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return 1 / value
