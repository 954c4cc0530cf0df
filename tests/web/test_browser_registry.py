"""The registry's pages in Chromium, on a real server that follows a real registry."""

from __future__ import annotations

import time

import httpx
import pytest
from browsing import CONTRAST, NARROWEST, PHONE, opening
from registry_home import ANN, Home, diabetes_model, tumour_model, write_diabetes, write_tumours

from modelport.registry.records import By
from modelport.registry.releases import RolloutPlan
from modelport.release.promotion.promoting import promote
from modelport.release.promotion.wish import Wish
from running import Running

#: Ten measurements of a patient.
PATIENT = [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0.0, 0.02, -0.02]]


class Served:
    """A server on a registry; tests have models of their own in it."""

    def __init__(self, folder):
        self.home, self._rows = Home(folder), {}
        self.tumours = write_tumours(folder / "tumours.csv")
        self.diabetes = write_diabetes(folder / "diabetes.csv")
        self._pushed("tumour", tumour_model("weak"), tumour_model("good"), tumour_model("flipped"))
        self.home.set_gates("tumour", self.tumours, "diagnosis", "accuracy >= production - 0.005")
        promote(self.home.registry, Wish("tumour", 1), ANN)
        promote(self.home.registry, Wish("tumour", 2), By("bob", "more accurate"))
        self.running = Running(env={"MODELPORT_HOME": str(self.home.folder)}).wait_ready()
        self.url = self.running.url

    def models(self, name, *contents, rows=PATIENT):
        """A model of its own for a test: these versions, the first one in production and served; `rows` fit it."""
        self._rows[name] = rows
        self._pushed(name, *contents)
        self.home.registry.promote(name, 1, ANN)
        self.answers(name, 1)

    def answers(self, name, version):
        """Wait until the server answers with that version."""
        until, found = time.monotonic() + 15, None
        while found != version and time.monotonic() < until:
            found = self.predict(name).get("version")
            time.sleep(0.02)
        assert found == version

    def predict(self, name, key="") -> dict:
        headers, body = {"x-routing-key": key}, {"instances": self._rows[name]}
        return httpx.post(f"{self.url}/models/{name}/predict", json=body, headers=headers if key else {}).json()

    def _pushed(self, name, *contents):
        for number, content in enumerate(contents):
            self.home.push(name, content, metrics={"quality": 0.9 + number / 100})

    def stop(self):
        assert self.running.stop() == 0, self.running.output
        self.home.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.stop()


@pytest.fixture
def look(chromium, served):
    with opening(chromium, served.url) as make:
        yield lambda path, **options: make(f"/registry{path}", **options)


def asked(page, link, who="ann", why=""):
    """Open a dialog by its button, and say who asks."""
    page.get_by_role("link", name=link).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who are you?").fill(who)
    dialog.get_by_label("Why?").fill(why)
    return dialog


def standing(page, version):
    page.locator(".standing-version", has_text=version).wait_for(timeout=15_000)


def test_promote_and_roll_back_by_the_buttons(look, served):
    served.models("buttons", diabetes_model(0.1), diabetes_model(1.0))
    page = look("/models/buttons")
    dialog = asked(page, "Promote version 2…", "eve", "trained on November")
    assert "version 1" in dialog.locator(".move").inner_text()
    assert "This server answers with version 1 now" in dialog.inner_text()
    dialog.get_by_role("button", name="Promote", exact=True).click()
    standing(page, "v2")
    assert "by eve: trained on November" in page.locator(".standing").inner_text()
    served.answers("buttons", 2)
    dialog = asked(page, "Roll back…", "eve", "clients complain")
    assert "version 1 was kept warm" in dialog.inner_text()
    dialog.get_by_role("button", name="Roll back").click()
    standing(page, "v1")
    served.answers("buttons", 1)
    newest, before = served.home.registry.history("buttons", limit=2)
    assert (newest.kind, newest.version, newest.who, newest.why) == ("rolled_back", 1, "eve", "clients complain")
    assert (before.kind, before.version, before.detail["forced"]) == ("promoted", 2, False)


def test_refused_promotion_says_why_in_place_and_force_is_written_down(look, served):
    page = look("/models/tumour")
    dialog = asked(page, "Promote version 3…")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    refusal = dialog.get_by_role("alert")
    refusal.get_by_text("accuracy 0.0123, production 0.9877").wait_for(timeout=20_000)
    assert "1 of 2 gates refused" in refusal.inner_text()
    assert served.home.registry.model("tumour").aliases["production"] == 2
    dialog.get_by_label("Promote even if gates refuse").check()
    assert "passes over every gate" in dialog.inner_text()
    dialog.get_by_role("button", name="Promote by force").click()
    standing(page, "v3")
    assert served.home.registry.history("tumour", limit=1)[0].detail["forced"] is True
    history = look("/history?model=tumour")
    assert "production: version 2 → version 3, forced past its gates" in history.locator("main").inner_text()
    served.home.registry.rollback("tumour", ANN)


def test_bad_shadow_is_taken_back_and_the_page_shows_why(look, served):
    row = [float(number) for number in served.tumours.read_text().splitlines()[1].split(",")[:-1]]
    served.models("shadowed", tumour_model("good"), tumour_model("flipped"), rows=[row])
    page = look("/models/shadowed")
    dialog = asked(page, "Promote version 2…")
    dialog.get_by_label("Shadow").check()
    dialog.get_by_label("Per cent of the requests").fill("100")
    assert "100 % of the requests are also run on version 2" in dialog.inner_text()
    dialog.get_by_role("button", name="Begin the rollout").click()
    page.wait_for_url("**/registry/rollouts/*", timeout=20_000)
    assert "is sent a copy of 100" in page.locator(".verdict").inner_text()
    until = time.monotonic() + 30
    while not page.locator(".verdict-aborted").count() and time.monotonic() < until:
        for _ in range(10):
            served.predict("shadowed")
        page.wait_for_timeout(50)
    said = page.locator(".verdict").inner_text()
    assert "Rolled back: all requests get version 1" in said
    assert "disagreement is 100 %" in said
    assert not page.get_by_role("button", name="Pause").is_visible()
    assert page.get_by_role("status").filter(has_text="Rolled back").count() == 1


def test_rollout_is_paused_resumed_and_aborted_by_its_buttons(look, served):
    served.models("steps", diabetes_model(0.1), diabetes_model(1.0))
    page = look("/models/steps")
    dialog = asked(page, "Promote version 2…")
    dialog.get_by_label("Step by step").check()
    dialog.get_by_label("Steps, in per cent").fill("50, 20")
    dialog.get_by_role("button", name="Begin the rollout").click()
    dialog.get_by_text("Give per cents that rise").wait_for()
    dialog.get_by_label("Steps, in per cent").fill("20 50 100")
    dialog.get_by_label("Each for").fill("2h")
    assert "20 %, 50 %, 100 %, each for 2 h" in dialog.inner_text()
    dialog.get_by_role("button", name="Begin the rollout").click()
    page.wait_for_url("**/registry/rollouts/*", timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("heading", name="Paused at 20").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("heading", name="Version 2 gets 20").wait_for()
    page.get_by_label("Why?").fill("it was a bad idea")
    page.get_by_role("button", name="Abort it").click()
    page.locator(".verdict-aborted", has_text="it was a bad idea").wait_for()
    [made] = served.home.registry.rollouts("steps")
    assert (made.state, made.plan.steps, made.plan.every) == ("aborted", (20.0, 50.0, 100.0), 7200.0)


def test_rollout_page_counts_live_and_says_when_the_server_is_away(look, served):
    served.models("counted", diabetes_model(0.1), diabetes_model(1.0))
    made = served.home.registry.start_rollout("counted", RolloutPlan(2, steps=(50.0,)), ANN)
    page = look(f"/rollouts/{made.id}", expected=("Failed to load resource",))
    until = time.monotonic() + 30
    while page.locator("[data-candidate-requests]").inner_text() == "0" and time.monotonic() < until:
        for key in range(20):
            served.predict("counted", key=str(key))
        page.wait_for_timeout(100)
    assert int(page.locator("[data-candidate-requests]").inner_text()) > 0
    page.route("**/registry/rollouts/*", lambda route: route.abort())
    page.locator(".conduct.is-old").wait_for()
    assert "away" in page.locator("[data-announced]").inner_text()
    page.unroute("**/registry/rollouts/*")
    page.locator(".conduct:not(.is-old)").wait_for()
    served.home.registry.rollback("counted", ANN)
    page.locator(".verdict-aborted").wait_for()


def test_two_versions_are_chosen_and_compared(look):
    page = look("/models/tumour")
    compare = page.get_by_role("button", name="Compare two")
    assert compare.is_disabled()
    for version in (1, 2, 3):
        page.get_by_label(f"Compare version {version}").check()
    assert not page.get_by_label("Compare version 1").is_checked()
    compare.click()
    page.get_by_role("heading", name="Version 2 and version 3").wait_for()


def test_dialog_is_left_by_the_keyboard_and_gives_the_focus_back(look):
    page = look("/models/tumour")
    link = page.get_by_role("link", name="Promote version 1…")
    link.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Promote version 1 of tumour").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert link.evaluate("item => item === document.activeElement")


#: What people write for steps and lengths of time, and what is understood.
WISHES = """async (address) => {
  const { seconds, steps, plan } = await import(address);
  const least = { way: "canary", percent: "5", abort_if: " p99 > 2x ", key: "", min_requests: "50" };
  return {
    seconds: ["30", "30s", "1.5 min", "10m", "2h", "1d", "", "0", "-5", "soon"].map((text) => seconds(text) ?? null),
    steps: ["5", "5%, 25 %", "5;25 100", "25 5", "0", "101", "x", ""].map((text) => steps(text) ?? null),
    plain: plan({ way: "plain" }, 2, "production"),
    canary: plan(least, 2, "production").plan,
    wrong: plan({ ...least, min_requests: "0" }, 2, "production").field,
  };
}"""


def test_steps_and_times_are_read_as_people_write_them(look):
    page = look("/models/tumour")
    address = page.locator("script[src*='release.js']").get_attribute("src").replace("release.js", "wish.js")
    found = page.evaluate(WISHES, address)
    assert found["seconds"] == [30, 30, 90, 600, 7200, 86400, None, None, None, None]
    assert found["steps"] == [[5], [5, 25], [5, 25, 100], None, None, None, None, None]
    assert found["plain"] == {"plan": None}
    wanted = {"candidate": 2, "kind": "canary", "steps": [5], "every": 600, "abort_if": "p99 > 2x", "key": ""}
    assert found["canary"] == {**wanted, "alias": "production", "min_requests": 50}
    assert found["wrong"] == "min_requests"


def test_nobody_promotes_without_a_name(look):
    page = look("/models/tumour")
    dialog = asked(page, "Promote version 1…", "  ")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    dialog.get_by_text("The history says who did it").wait_for()
    assert dialog.get_by_label("Who are you?").get_attribute("aria-invalid") == "true"


def test_history_is_verified_and_shows_a_moment(look, served):
    page = look("/history")
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("none changed, removed or added").wait_for()
    assert f"{served.home.registry.head()}:" in page.locator("[data-verified]").inner_text()
    page.get_by_label("Model").fill("tumour")
    page.get_by_label("How it stood at (UTC)").fill("2001-02-03T04:05:06")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("No alias named a version then").wait_for()


@pytest.mark.parametrize("size", [PHONE, NARROWEST, {}], ids=["phone", "narrowest", "desktop"])
def test_no_registry_page_is_wider_than_the_screen(look, served, size):
    page = look("", **size)
    for path in paths(served):
        page.goto(served.url + "/registry" + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_the_registry_has_enough_contrast(look, served, scheme):
    page = look("", color_scheme=scheme)
    for path in paths(served):
        page.goto(served.url + "/registry" + path)
        assert page.evaluate(CONTRAST) == [], path


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_other_sites_can_change_nothing_by_forms(served, kind):
    """What a page of another site can send from a browser without being allowed to is refused."""
    body = b'{"version": 3, "by": {"who": "eve"}, "force": true}'
    for path in ("promotions", "rollback", "rollouts"):
        headers = {} if kind is None else {"content-type": kind}
        answer = httpx.post(f"{served.url}/api/v1/registry/models/tumour/{path}", content=body, headers=headers)
        assert answer.status_code == 400
        assert "application/json" in answer.json()["error"]


def paths(served) -> list[str]:
    """Below /registry, one of each kind of page."""
    evaluated = served.home.registry.evaluations("tumour", 2)[0].id
    rollout = served.home.registry.rollouts(None)[0].id
    of_model = ("", "/versions/2", "/compare?v=1&v=3", "/promote?version=1", "/rollback", "/evaluations")
    others = ("", "/rollouts", "/history?at=2100-01-01T00:00", f"/evaluations/{evaluated}", f"/rollouts/{rollout}")
    return [*(f"/models/tumour{rest}" for rest in of_model), *others]
