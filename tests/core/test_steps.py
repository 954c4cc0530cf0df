"""Times in steps."""

import pytest

from modelport.core.steps import later


@pytest.mark.parametrize(
    ("start", "step", "count", "time"),
    [
        ("2026-01-31", "1d", 1, "2026-02-01"),
        ("2026-01-31", "1month", 1, "2026-02-28"),
        ("2026-01-31", "month", 13, "2027-02-28"),
        ("2024-02-29", "1year", 1, "2025-02-28"),
        ("2026-01-01", "2 quarters", 1, "2026-07-01"),
        ("2026-01-01", "6h", 1, "2026-01-01T06:00:00"),
        ("2026-01-01T23:45:00Z", "15min", 1, "2026-01-02T00:00:00Z"),
        ("2026-01-01T00:00:00+02:00", "1w", 2, "2026-01-15T00:00:00+02:00"),
        ("2026-01-01T00:00:00", "90s", 0, "2026-01-01T00:00:00"),
    ],
)
def test_a_time_some_steps_later(start, step, count, time):
    assert later(start, step, count) == time


def test_what_is_beyond_time_is_refused():
    with pytest.raises(ValueError, match="9000 steps of 1year after 2026-01-01 are beyond the year 9999"):
        later("2026-01-01", "1year", 9000)
