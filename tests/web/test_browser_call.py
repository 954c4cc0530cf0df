"""The call to copy in Chromium: it follows the form and runs."""

from __future__ import annotations

import json
import shlex

from browsing import code, run_python


def test_calls_to_copy_follow_the_form_and_are_correct_code(open_page, server):
    page = open_page("/models/diabetes")
    page.get_by_label("age", exact=True).fill("61.5")
    page.get_by_label("sex").select_option("male")
    page.locator("[data-code]", has_text='"male"').wait_for()
    record = {"age": 61.5, "sex": "male", "bmi": 26.4, "bp": 94.6, "glucose": 91.3}
    words = shlex.split(code(page, "curl").replace("\\\n", " "))
    assert words[:2] == ["curl", server.url + "/models/diabetes/predict"]
    assert json.loads(words[-1]) == {"instances": [record]}
    words = shlex.split(code(page, "Open Inference v2").replace("\\\n", " "))
    assert words[1] == server.url + "/v2/models/diabetes/infer"
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, 5], "data": [61.5, 1, 26.4, 94.6, 91.3]}
    assert json.loads(words[-1]) == {"inputs": [tensor]}
    script = code(page, "JavaScript")
    assert page.evaluate(f"(async () => {{ {script} return answer.model; }})()") == "diabetes"
    assert json.loads(server.calls[-1].body) == {"instances": [record]}
    run_python(code(page, "Python"))
    assert json.loads(server.calls[-1].body)["instances"] in (record, [record])


def test_copy_with_the_clipboard_and_without(open_page, chromium, server):
    page = open_page("/models/diabetes", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("[data-code]").text_content()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate("document.addEventListener('copy', () => { window.copied = String(document.activeElement.value); })")
    page.get_by_role("tab", name="Python").click()
    page.locator("[data-copy]").click()
    assert page.evaluate("window.copied") == page.locator("[data-code]").text_content()


def test_tabs_work_by_arrow_keys(open_page):
    page = open_page("/models/diabetes")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Python").get_attribute("aria-selected") == "true"
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "Open Inference v2"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "curl"
