"""Pictures in Chromium: drawn by mouse and touch, or chosen."""

from __future__ import annotations

import io
import json
import shlex

from browsing import PHONE, answered, calls, code, draw, predict, run_python
from PIL import Image as Pillow


def test_drawing_is_sent_as_png_after_each_stroke(open_page, server):
    page = open_page("/models/digits")
    draw(page, (0.3, 0.2), (0.7, 0.2), (0.4, 0.8))
    answered(page)
    (call,) = server.calls
    assert (call.path, call.content_type) == ("/models/digits/predict", "image/png")
    picture = Pillow.open(io.BytesIO(call.body)).convert("L")
    assert picture.size == (336, 336)
    assert (picture.getpixel((2, 2)), picture.getpixel((168, 67))) == (0, 255)
    assert page.locator(".bar-row").count() == 10
    draw(page, (0.5, 0.5), (0.6, 0.6))
    assert calls(page, server, 2)[1].body != call.body
    page.get_by_role("button", name="Undo").click()
    assert calls(page, server, 3)[2].body == call.body
    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector(".idle")
    assert page.get_by_role("button", name="Undo").is_disabled()


def test_preview_and_v2_call_hold_what_the_model_sees(open_page):
    page = open_page("/models/digits")
    draw(page, (0.2, 0.5), (0.8, 0.5))
    answered(page)
    body = shlex.split(code(page, "Open Inference v2").replace("\\\n", " "))[-1]
    (tensor,) = json.loads(body)["inputs"]
    assert (tensor["name"], tensor["datatype"], tensor["shape"]) == ("image", "FP32", [1, 64])
    rows = [tensor["data"][at : at + 8] for at in range(0, 64, 8)]
    assert rows[0] == [0] * 8
    assert rows[7] == [0] * 8
    assert max(rows[3]) > 8
    assert (
        page.evaluate("[...document.querySelector('[data-seen]').getContext('2d').getImageData(0, 3, 8, 1).data]")[16]
        > 128
    )


def test_touch_draws_too_and_nothing_drawn_is_said(open_page, server):
    page = open_page("/models/digits", **PHONE)
    predict(page)
    assert page.get_by_text("Draw something first.").is_visible()
    canvas = page.locator("[data-canvas]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    answered(page)
    assert server.calls[0].content_type == "image/png"


def test_chosen_file_goes_as_it_is(open_page, server):
    page = open_page("/models/digits")
    buffer = io.BytesIO()
    Pillow.new("L", (20, 20), 200).save(buffer, "JPEG")
    page.get_by_role("tab", name="Choose a picture").click()
    page.locator("[data-file]").set_input_files(
        {"name": "my digit's.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}
    )
    answered(page)
    assert (server.calls[0].content_type, server.calls[0].body) == ("image/jpeg", buffer.getvalue())
    assert page.get_by_alt_text("The chosen picture").is_visible()
    assert shlex.split(code(page, "curl").replace("\\\n", " "))[-1] == "@my digit's.jpg"
    page.locator("[data-file]").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"x"})
    assert page.get_by_text("notes.txt is not a PNG, JPEG or WebP picture.").is_visible()


def test_python_call_with_a_picture(open_page, server, tmp_path, monkeypatch):
    page = open_page("/models/digits")
    draw(page, (0.2, 0.5), (0.8, 0.5))
    answered(page)
    with page.expect_download() as download:
        page.get_by_text("Save as PNG").click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    monkeypatch.chdir(tmp_path)
    run_python(code(page, "Python"))
    assert server.calls[-1].content_type == "image/png"
    assert server.calls[-1].body == server.calls[0].body
