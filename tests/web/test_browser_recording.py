"""Recordings in Chromium: chosen, refused, removed."""

from __future__ import annotations

from browsing import calls

FILE = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\4\0\0\0\0\0\xff\x7f"


def choose(page, name, kind, content=FILE):
    page.locator("[data-recording] [data-file]").set_input_files({"name": name, "mimeType": kind, "buffer": content})


def test_a_chosen_recording_is_sent_as_it_is_and_the_answer_is_a_ranking(open_page, server):
    server.answer = (
        200,
        {
            "predictions": [
                {"heard": [{"item": "rain", "score": 0.75}, {"item": "dog", "score": 0.25}], "vector": [0, 1, 0, 0]}
            ]
        },
    )
    page = open_page("/models/sounds")
    choose(page, "storm.wav", "audio/wav")
    (call,) = calls(page, server, 1)
    assert (call.path, call.content_type, call.body) == ("/models/sounds/predict", "audio/wav", FILE)
    page.wait_for_selector(".bar-row")
    assert page.locator(".headline-value").inner_text() == "rain"
    assert page.locator(".bar-row").count() == 2
    assert page.locator("[data-player]").is_visible()
    assert "storm.wav" in page.locator("[data-file-name]").inner_text()
    page.get_by_role("button", name="Remove").click()
    page.wait_for_selector(".idle")
    assert page.locator("[data-player]").is_hidden()


def test_what_is_no_recording_is_refused_where_it_is_chosen(open_page, server):
    page = open_page("/models/sounds")
    choose(page, "song.mp3", "audio/mpeg")
    assert page.locator("[data-error]").inner_text() == "song.mp3 is not a WAV file."
    page.get_by_role("button", name="Predict").click()
    assert page.locator("[data-error]").inner_text() == "Choose a recording first."
    assert server.calls == []
