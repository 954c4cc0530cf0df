"""What a person does in the browser, for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
NARROWEST = {"viewport": {"width": 320, "height": 640}}
HOSTILE = "<img src=x onerror=alert(1)>"
#: Text whose contrast with what lies behind it is below WCAG's AA.
CONTRAST = """() => {
  const numbers = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (item) => {
    for (let at = item; at; at = at.parentElement) {
      const { rgb, a } = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0.9) return rgb;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const item of document.querySelectorAll("body *")) {
    const own = [...item.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own && !item.matches("input, textarea, select") || !item.checkVisibility()) continue;
    if (item.closest(".visually-hidden, :disabled")) continue;
    const style = getComputedStyle(item);
    const [a, b] = [light(numbers(style.color).rgb), light(behind(item))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) {
      bad.push(`${item.className || item.localName}: ${item.textContent.slice(0, 30)}`);
    }
  }
  return bad;
}"""


@contextmanager
def opening(chromium: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Opens paths of a server; fails on console errors, on errors in scripts and on requests to other hosts.

    `expected` are parts of console messages that a test provokes itself.
    """
    contexts: list[Any] = []
    problems: list[str] = []

    def make(path: str, *, expected: tuple[str, ...] = (), **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: problems.append(_complaint(message, expected)))
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("request", lambda request: problems.append(_foreign(request.url, url)))
        page.goto(url + path)
        page.wait_for_selector("html[lang]")
        return page

    try:
        yield make
    finally:
        for context in contexts:
            context.close()
    assert [problem for problem in problems if problem] == []


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


def _complaint(message: Any, expected: tuple[str, ...]) -> str:
    if message.type not in ("error", "warning") or any(part in message.text for part in expected):
        return ""
    return f"console {message.type}: {message.text}"


def _foreign(url: str, own: str) -> str:
    return "" if url.startswith((own + "/", "blob:" + own + "/", "data:")) else f"request to {url}"
