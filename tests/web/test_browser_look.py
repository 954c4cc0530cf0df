"""How the pages look in Chromium: colours, widths, contrast."""

from __future__ import annotations

from itertools import pairwise

import pytest
from browsing import CONTRAST, NARROWEST, PHONE, answered, predict


def test_colours_follow_the_system_and_the_toggle_is_remembered(open_page):
    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = open_page("/", color_scheme="dark")
    dark = background()
    toggle = page.get_by_role("button", name="Dark colours")
    assert toggle.get_attribute("aria-pressed") == "true"
    toggle.click()
    light = background()
    assert light != dark
    page.get_by_role("link", name="digits").click()
    page.wait_for_selector("[data-canvas]")
    assert background() == light
    assert page.get_by_role("button", name="Dark colours").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("size", [PHONE, NARROWEST, {}], ids=["phone", "narrowest", "desktop"])
@pytest.mark.parametrize("path", ["/", "/models/breast-cancer", "/models/digits", "/models/ranker", "/models/churn"])
def test_no_page_is_wider_than_the_screen(open_page, path, size):
    page = open_page(path, **size)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    fields = [field.bounding_box() for field in page.locator("[data-field] input").all()]
    assert all(one["x"] + one["width"] <= two["x"] for one, two in pairwise(fields) if one["y"] == two["y"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(open_page, server, scheme):
    for path in ("/", "/models/breast-cancer", "/models/churn", "/models/nobody"):
        page = open_page(path, color_scheme=scheme, expected=("404",))
        if path.endswith("cancer"):
            page.get_by_label("mean area", exact=True).fill("1")
            predict(page)
            answered(page)
        assert page.evaluate(CONTRAST) == []
    server.answer = (400, {"error": "column 'bp' is wrong", "kind": "invalid_input"})
    page = open_page("/models/diabetes", color_scheme=scheme, expected=("400",))
    predict(page)
    page.wait_for_selector(".failure")
    assert page.evaluate(CONTRAST) == []
