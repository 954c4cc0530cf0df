"""Content-Type and Accept."""

import pytest
from hosted_cases import call
from wire_cases import refusal

from modelport.wire.media_types import accepted, check_utf8, content_type

OFFERS = ("application/json", "text/csv", "application/x-npy")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Text/CSV; Header=Absent", ("text/csv", {"header": "absent"})),
        ('application/json;charset="UTF-8"', ("application/json", {"charset": "utf-8"})),
        ("", ("", {})),
        (";;x", ("", {})),
    ],
)
def test_content_type(header, expected):
    assert content_type(call(b"", header)) == expected


def test_only_utf8_is_understood():
    for charset in ("utf-8", "utf8", "us-ascii"):
        check_utf8({"charset": charset})
    assert "'utf-16' is not understood" in refusal(check_utf8, {"charset": "utf-16"})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV;q=1.0", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/x-npy", "application/x-npy"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/csv;q=0, application/json;q=0.2", "application/json"),
        ("text/csv;q=x, application/json", "application/json"),
    ],
)
def test_accept_chooses(accept, expected):
    assert accepted(accept.encode(), OFFERS, "application/json") == expected


@pytest.mark.parametrize("accept", [b"text/html", b"image/*", b"text/csv;q=0", b"\xff"])
def test_accept_of_nothing_that_is_made_is_refused(accept):
    assert "accept one of application/json, text/csv" in refusal(accepted, accept, OFFERS, "application/json")
