"""Answers in Chromium: bars, tables, raw JSON, and what is no answer."""

from __future__ import annotations

import json

import pytest
from browsing import HOSTILE, answered, predict


def test_raw_json_is_there_to_unfold(open_page):
    page = open_page("/models/diabetes/versions/1")
    predict(page)
    answered(page)
    page.get_by_text("Raw JSON").click()
    raw = json.loads(page.locator("[data-raw-text]").inner_text())
    assert raw["model"] == "diabetes"
    assert page.locator(".headline-unit").inner_text() == "points"


@pytest.mark.parametrize("answer", [(500, "plain words"), (200, "no object"), (502, {"detail": [1]})])
def test_strange_answers_do_not_break_the_page(open_page, server, answer):
    server.answer = answer
    page = open_page("/models/diabetes", expected=("500", "502"))
    predict(page)
    page.wait_for_selector(".failure")


def test_server_that_is_gone_is_said(open_page, server):
    page = open_page("/models/diabetes", expected=("ERR_FAILED",))
    page.route("**/predict", lambda route: route.abort())
    predict(page)
    page.wait_for_selector(".failure")
    assert "The server did not answer" in page.locator(".failure").inner_text()


def test_what_a_model_answers_is_text(open_page, server):
    server.answer = (200, {"predictions": [{"label": HOSTILE, "probabilities": {HOSTILE: 0.9, "b": 0.1}}]})
    page = open_page("/models/breast-cancer")
    predict(page)
    answered(page)
    assert page.locator(".headline-value").inner_text() == HOSTILE
    assert page.locator("main img").count() == 0


def test_more_than_ten_scores_are_folded(open_page, server):
    scores = {f"class {n}": n / 1000 for n in range(40)}
    server.answer = (200, {"predictions": [{"label": "class 39", "probabilities": scores}]})
    page = open_page("/models/breast-cancer")
    predict(page)
    answered(page)
    assert page.locator(".bar-row").count() == 10
    page.get_by_role("button", name="Show all 40").click()
    assert page.locator(".bar-row").count() == 40


def test_several_rows_make_a_table(open_page, server):
    rows = [
        {"label": "benign", "probabilities": {"malignant": 0.1, "benign": 0.9}},
        {"label": None, "probabilities": None},
    ]
    server.answer = (200, {"predictions": rows})
    page = open_page("/models/breast-cancer")
    predict(page)
    page.wait_for_selector(".values")
    assert page.locator(".values tbody tr").all_inner_texts() == [
        "1\tbenign\tbenign 90.0 %",
        "2\tnot a number\tnot a number",
    ]


def test_a_loading_model_appears_when_it_is_ready(open_page, server):
    page = open_page("/models/whisper")
    assert page.get_by_text("This model is loading").is_visible()
    model = next(model for model in server.catalog.served if model.name == "whisper")
    digits = next(model for model in server.catalog.served if model.name == "digits")
    model.versions, model.state = digits.versions, "ready"
    try:
        page.wait_for_selector("[data-canvas]")
    finally:
        model.versions, model.state = [], "loading"
