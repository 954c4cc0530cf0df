"""Forms in Chromium: filling, checking, sending, and errors at their field."""

from __future__ import annotations

import json
import shlex

from browsing import answered, calls, code, predict


def test_filled_form_gives_a_result_with_bars(open_page, server):
    page = open_page("/models/breast-cancer")
    page.get_by_label("mean radius", exact=True).fill("20.5")
    predict(page)
    answered(page)
    assert page.locator(".headline-value").inner_text() == "benign"
    bars = page.get_by_role("img", name="benign: ")
    assert bars.count() == 1
    assert bars.bounding_box()["width"] > 100
    assert page.locator(".bar-label").all_inner_texts() == ["benign", "malignant"]
    assert page.locator("[data-latency]").inner_text().endswith(" ms")
    assert "benign" in page.locator("[data-said]").inner_text()
    (call,) = server.calls
    (record,) = json.loads(call.body)["instances"]
    assert call.path == "/models/breast-cancer/predict"
    assert (len(record), record["mean radius"], record["worst area"]) == (30, 20.5, 818.6)


def test_enter_in_a_field_predicts_and_the_call_names_the_version(open_page, server):
    page = open_page("/models/breast-cancer/versions/1")
    page.get_by_label("mean area", exact=True).press("Enter")
    answered(page)
    assert server.calls[0].path == "/models/breast-cancer/versions/1/predict"
    assert ", version=1)" in code(page, "Python")


def test_filter_clear_and_fill(open_page, server):
    page = open_page("/models/breast-cancer")
    page.get_by_placeholder("Filter 30 fields").fill("fractal")
    assert page.locator("[data-field]:visible label").all_inner_texts() == [
        "mean fractal dimension",
        "fractal dimension error",
        "worst fractal dimension",
    ]
    page.get_by_role("button", name="Clear").click()
    predict(page)
    assert page.evaluate("document.activeElement.labels[0].textContent") == "mean radius"
    assert page.get_by_text("Give a value.").count() == 30
    assert server.calls == []
    page.get_by_role("button", name="Fill with an example").click()
    assert page.get_by_label("mean radius", exact=True).input_value() == "14.13"
    assert page.locator("[aria-invalid]").count() == 0
    predict(page)
    answered(page)


def test_value_outside_the_usual_range_is_pointed_out_and_still_sent(open_page, server):
    page = open_page("/models/diabetes")
    page.get_by_label("age", exact=True).fill("120")
    assert page.locator(".is-unusual label").all_inner_texts() == ["age"]
    predict(page)
    answered(page)
    assert json.loads(server.calls[0].body)["instances"][0]["age"] == 120


def test_error_is_shown_and_marks_the_field_that_it_names(open_page, server):
    text = "column 'bp' has no value: give a number"
    server.answer = (400, {"error": text, "kind": "invalid_input"})
    page = open_page("/models/diabetes", expected=("400",))
    predict(page)
    page.wait_for_selector(".failure")
    assert text in page.get_by_role("alert").inner_text()
    assert "invalid_input" in page.get_by_role("alert").inner_text()
    field = page.get_by_label("bp", exact=True)
    assert field.get_attribute("aria-invalid") == "true"
    assert page.locator("[aria-invalid]").count() == 1
    error = field.get_attribute("aria-describedby").split()[0]
    assert page.locator(f"#{error}").inner_text() == text
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    server.answer = None
    field.fill("90")
    assert field.get_attribute("aria-invalid") is None
    predict(page)
    answered(page)


def test_text_is_sent_as_a_row(open_page, server):
    page = open_page("/models/sentiment")
    page.locator("[data-text]").fill('It\'s "fine" — naïve\nreally')
    predict(page)
    answered(page)
    assert json.loads(server.calls[0].body) == {"instances": ['It\'s "fine" — naïve\nreally']}
    words = shlex.split(code(page, "curl").replace("\\\n", " "))
    assert json.loads(words[-1]) == json.loads(server.calls[0].body)


def test_json_editors_for_tensors_without_meaning(open_page, server):
    page = open_page("/models/ranker")
    predict(page)
    answered(page)
    assert json.loads(server.calls[0].body) == {
        "inputs": {"query": [[0, 0, 0]], "weights": [[0, 0], [0, 0]], "bias": [0]}
    }
    page.locator("[data-json]").first.fill("[[1, 2,")
    predict(page)
    assert "This is not JSON" in page.locator("[data-error]:visible").inner_text()
    page.get_by_role("spinbutton", name="bias").fill("")
    page.locator("[data-json]").first.fill("[[1, 2, 3]]")
    predict(page)
    again = calls(page, server, 2)[1]
    assert json.loads(again.body) == {"inputs": {"query": [[1, 2, 3]], "weights": [[0, 0], [0, 0]]}}


def test_inputs_of_one_value_make_a_record(open_page, server):
    page = open_page("/models/fraud")
    page.get_by_label("amount").fill("12.5")
    page.get_by_label("new").select_option("true")
    page.get_by_label("country").fill("FI")
    predict(page)
    answered(page)
    record = {"amount": 12.5, "count": 0, "new": True, "country": "FI"}
    assert json.loads(server.calls[0].body) == {"instances": [record]}


def test_predicts_as_one_types_where_that_is_wanted(open_page, server):
    page = open_page("/models/diabetes")
    page.get_by_label("Predict as I type").check()
    answered(page)
    page.get_by_label("age", exact=True).press_sequentially("12")
    call = calls(page, server, 2)[1]
    assert json.loads(call.body)["instances"][0]["age"] == 1248
