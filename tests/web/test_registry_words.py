"""What the registry's pages say, and the picture of a rollout's share."""

from __future__ import annotations

import pytest

from modelport.core.errors import InvalidInputError
from modelport.registry.records import EventRecord
from modelport.web.registry import wording
from modelport.web.registry.shares import HIGH, WIDE, share_over_time
from modelport.web.registry.timeline import utc
from modelport.web.registry.visit import parse_number


def event(kind, version=None, subject="", **detail):
    return EventRecord(1, "2026-11-03T12:00:00.000000Z", "ann", kind, "fraud", version, subject, "", detail, "", "")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (event("promoted", 4, "production", before=3), "production: version 3 → version 4"),
        (event("promoted", 4, "production", before=3, forced=True), ", forced past its gates"),
        (event("promoted", 1, "production", before=None), "production: nothing → version 1"),
        (event("rolled_back", 3, "production", before=4), "production: version 4 → version 3"),
        (event("alias.removed", 2, "staging"), "staging names nothing any more (it named version 2)"),
        (event("tag.set", None, "team", value="risk"), "tag team = risk"),
        (event("tag.set", 2, "team", value="risk"), "version 2: tag team = risk"),
        (event("evaluated", 2, "october.csv"), "Version 2 was evaluated on october.csv"),
        (event("gates.set", rules=["r2 >= 0.3", "p99_ms <= 5"]), "Gates: r2 >= 0.3; p99_ms <= 5"),
        (event("rollout.started", 2, baseline=1, plan={"kind": "canary", "steps": [5.0]}), "beside version 1: 5\xa0%"),
        (event("rollout.advanced", 2, percent=12.5), "Version 2 gets 12.5\xa0%"),
        (event("rollout.aborted", 2, reason="too slow"), "Version 2 was rolled back: too slow"),
        (event("something.new", 2, "thing"), "something.new thing version 2"),
    ],
)
def test_events_in_words(made, said):
    assert said in wording.event_words(made)


def test_figures_in_words():
    assert [wording.size_words(size) for size in (None, 0, 999, 1_000, 1_234_567, 10**15)] == [
        "–", "0 B", "999 B", "1 KB", "1.23 MB", "1e+03 TB",
    ]  # fmt: skip
    assert [wording.figure_words(value) for value in (None, 0.98765, 12_345.6)] == ["–", "0.9877", "12,346"]
    assert [wording.difference_words(value) for value in (None, 0.0, 0.5, -0.25)] == ["", "±0", "+0.5", "−0.25"]
    assert [wording.span_words(value) for value in (0, 45, 600, 5400, 180_000)] == [
        "0 s", "45 s", "10 min", "1 h 30 min", "2 d 2 h",
    ]  # fmt: skip
    assert [wording.latency_words(value) for value in (None, 0.85, 12.34, 1200)] == ["–", "850 µs", "12.3 ms", "1.2 s"]


def test_times_in_words():
    assert wording.moment_words("2026-11-03T13:00:09.123456+01:00") == "2026-11-03 12:00:09 UTC"
    assert wording.day_words("2026-11-03T12:00:00Z") == "Tuesday, 3 November 2026"
    assert wording.moment_words("long ago") == "long ago"
    assert utc("2026-11-03T12:00") == "2026-11-03T12:00:00+00:00"
    assert utc("2026-11-03T12:00+01:00") == "2026-11-03T12:00:00+01:00"


def test_share_is_a_line_of_steps_from_the_beginning_to_the_end():
    at = "2026-11-03T12:{:02}:00.000000Z".format
    made = share_over_time([(at(0), 5.0), (at(10), 25.0), (at(20), 100.0)], at(40))
    assert made.line == "0.0,95.0 150.0,95.0 150.0,75.0 300.0,75.0 300.0,0.0 600.0,0.0"
    assert (WIDE, HIGH) == (600.0, 100.0)
    single = share_over_time([(at(0), 5.0)], at(0))
    assert single.line == "0.0,95.0 600.0,95.0"


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "9" * 19, "²"])
def test_what_is_no_number_is_said(text):
    with pytest.raises(InvalidInputError, match="the rollout is"):
        parse_number(text, "the rollout")
