"""What a person does in the browser, for the end-to-end tests."""

from __future__ import annotations

from typing import Any

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
NARROWEST = {"viewport": {"width": 320, "height": 640}}
HOSTILE = "<img src=x onerror=alert(1)>"


def predict(page: Any) -> None:
    page.get_by_role("button", name="Predict").click()


def answered(page: Any) -> None:
    page.wait_for_selector(".headline-value")


def draw(page: Any, *points: tuple[float, float]) -> None:
    canvas = page.locator("[data-canvas]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    first, *rest = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def code(page: Any, language: str) -> str:
    page.get_by_role("tab", name=language).click()
    return page.locator("[data-code]").inner_text()


def run_python(text: str) -> None:
    exec(compile(text, "snippet", "exec"), {})


def calls(page: Any, server: Any, number: int) -> list[Any]:
    """The predictions asked for, once there are so many of them; fails where that takes more than some seconds."""
    for _ in range(200):
        if len(server.calls) >= number:
            break
        page.wait_for_timeout(25)
    assert len(server.calls) == number
    return list(server.calls)
