"""The registry's pages as they are rendered: what is in them, escaping, paging, and a registry that is away."""

from __future__ import annotations

import json
import re
from html import unescape

import fake_catalog as fake
import pytest
from registry_home import ANN, Home, diabetes_model, tumour_model, write_diabetes, write_tumours

from modelport.core.errors import UnavailableError
from modelport.registry.records import By, NewVersion
from modelport.registry.releases import RolloutChange, RolloutPlan
from modelport.release.promotion.promoting import promote
from modelport.release.promotion.wish import RefusedError, Wish

BROWSER = {"accept": "text/html"}
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """`tumour` with four versions (the second in production, the third refused), `diabetes` with two."""
    folder = tmp_path_factory.mktemp("registry")
    home = Home(folder)
    for kind, accuracy in (("weak", 0.91), ("good", 0.985), ("flipped", 0.99), ("few columns", 0.94)):
        home.push("tumour", tumour_model(kind), metrics={"accuracy": accuracy}, tags={"kind": kind})
    home.set_gates("tumour", write_tumours(folder / "tumours.csv"), "diagnosis", "accuracy >= production - 0.005")
    home.push("diabetes", diabetes_model(0.1))
    home.push("diabetes", diabetes_model(1.0))
    home.set_gates("diabetes", write_diabetes(folder / "diabetes.csv"), "progression", "r2 >= 0.3")
    promote(home.registry, Wish("tumour", 1), By("ann", "the first one"))
    promote(home.registry, Wish("tumour", 2), By("bob", "more accurate"))
    with pytest.raises(RefusedError):
        promote(home.registry, Wish("tumour", 3), By("eve", "looks good"))
    promote(home.registry, Wish("diabetes", 1), ANN)
    yield home
    home.close()


@pytest.fixture
def page(client, furnished):
    """The words of a page of that registry, with its status."""
    pages = client(fake.diabetes(), registry=lambda: furnished.registry)

    def get(path, status=200):
        answer = pages.get(f"/registry{path}", headers=BROWSER)
        assert answer.status_code == status, answer.text
        return answer.text

    return get


def words(text):
    """What a person reads: no tags, single spaces."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)))


def test_without_a_registry_there_are_no_pages_of_one(client):
    pages = client()
    assert pages.get("/registry", headers=BROWSER).status_code == 404
    assert "Registry" not in pages.get("/", headers=BROWSER).text


def test_overview_says_what_is_in_production(page):
    text = words(page(""))
    assert re.search(r"tumour kind|tumour v2 v4 of 4", text)
    assert "here: v1" not in text.partition("diabetes v1")[0]
    assert "No model has all of" in words(page("?q=nothing+like+it"))
    assert "tumour" not in words(page("?q=diab"))


def test_overview_finds_words_anywhere_and_pages_by_a_hundred(client, home):
    manifest = home.push("base", diabetes_model(0.1)).manifest
    for number in range(205):
        home.registry.push(f"model-{number:03}", NewVersion(manifest), ANN)
    home.registry.describe("model-204", None, "The last of them all", ANN)
    home.registry.set_tags("model-150", None, {"team": "risk"}, ANN)
    pages = client(registry=lambda: home.registry)
    first = pages.get("/registry", headers=BROWSER).text
    assert first.count('class="name"') == 100
    following = re.search(r'rel="next" href="([^"]+)"', first)
    second = pages.get(unescape(following[1]), headers=BROWSER).text
    assert "model-099" in second
    assert "model-098" not in second
    assert "model-204" in pages.get("/registry?q=LAST+them", headers=BROWSER).text
    assert re.findall(r"model-\d+(?=</a>)", pages.get("/registry?q=team%3Drisk", headers=BROWSER).text) == ["model-150"]
    assert pages.get("/registry?q=model", headers=BROWSER).text.count('class="name"') == 100


def test_model_page_tells_versions_aliases_gates_and_who(page):
    text = words(page("/models/tumour"))
    assert "In production v2 since" in text
    assert "by bob: more accurate" in text
    assert "production kind good" in text
    assert "accuracy >= production - 0.005 on tumours.csv, label diagnosis" in text
    assert "0.985" in text
    assert "[-1, 30]" in text
    assert text.count("Promote…") == 3
    assert "v3" not in words(page("/models/tumour?before=3")).partition("Signature")[0].partition("Versions")[2]


def test_version_page_tells_its_manifest(page):
    text = words(page("/models/tumour/versions/4"))
    for part in ("[-1, 10]", "tumour.onnx", "onnxruntime", "SHA-256", "as they were pushed", "0.94"):
        assert part in text
    assert "Compare with production" in text


def test_compare_shows_differences(page):
    text = words(page("/models/tumour/compare?v=4&v=2"))
    assert "Version 2 and version 4" in text
    assert "input 'X' took [-1, 30], and takes [-1, 10] now" in text
    assert "accuracy 0.985 0.94 −0.045" in text
    assert "kind good few columns (differs)" in text
    both = words(page("/models/tumour/compare?v=1&v=2"))
    assert "Clients can go on unchanged" in both
    assert "Evaluated on tumours.csv version 1 , version 2" in both
    assert "Choose two versions of tumour to compare: 1 was chosen" in unescape(page("/models/tumour/compare?v=1", 400))


def test_promotion_says_what_will_happen(page):
    text = words(page("/models/tumour/promote?version=4"))
    assert "production version 2 to version 4" in text
    assert "Clients would notice: input 'X' took [-1, 30]" in text
    assert "not known yet accuracy >= production - 0.005 this version was not measured for it yet" in text
    assert "refuses signature compatible with production" in text
    known = words(page("/models/tumour/promote?version=3"))
    assert "refuses accuracy >= production - 0.005 accuracy 0.0123, production 0.9877" in known
    assert "passes signature compatible with production" in known
    stale = words(page("/models/tumour/promote?version=1"))
    assert "refuses accuracy" not in stale


def test_promotion_tells_what_this_server_answers_with(page):
    assert "This server answers with version 1 now" in words(page("/models/diabetes/promote?version=2"))
    assert "This server does not serve the model now" in words(page("/models/tumour/promote?version=4"))


def test_rollback_says_to_what(page):
    text = words(page("/models/tumour/rollback"))
    assert "production version 2 to version 1" in text
    nothing = page("/models/diabetes/rollback")
    assert "nothing to go back to" in words(nothing)
    assert re.search(r'type="submit" disabled', nothing)


def test_evaluation_has_figures_gates_and_plots(page, furnished):
    newest = furnished.registry.evaluations("tumour", 2)[0].id
    text = page(f"/evaluations/{newest}")
    for part in ("Confusion matrix", "ROC", "Calibration", "McNemar", "+0.04745", "accuracy >= production - 0.005"):
        assert part in words(text)
    assert text.count("<svg") >= 6
    assert "style=" not in text
    assert "<style" not in text
    regression = furnished.registry.evaluations("diabetes", 1)[0].id
    assert "Residuals" in words(page(f"/evaluations/{regression}"))
    assert "tumours.csv" in words(page("/models/tumour/evaluations?version=3"))


def test_history_by_model_kind_and_moment(page, furnished):
    text = words(page("/history"))
    assert "production: version 1 → version 2" in text
    assert "Version 3 was evaluated on tumours.csv" in text
    chosen = words(page("/history?model=tumour&kind=production"))
    assert "was pushed" not in chosen
    assert "more accurate" in chosen
    promoted = {event.version: event for event in furnished.registry.history("tumour") if event.kind == "promoted"}
    assert re.search(r"tumour production v2 .*bob", words(page(f"/history?at={promoted[2].at}")))
    assert re.search(r"tumour production v1 .*ann", words(page(f"/history?at={promoted[1].at}")))
    assert "No alias named a version then" in words(page("/history?at=2001-01-01T00:00"))
    assert "'yesterday' is no time" in unescape(page("/history?at=yesterday", 400))
    assert "is no part of the history" in page("/history?kind=lies", 400)


def test_history_pages_go_on_where_the_last_one_ended(client, home):
    manifest = home.push("base", diabetes_model(0.1)).manifest
    for _ in range(110):
        home.registry.push("base", NewVersion(manifest), ANN)
    pages = client(registry=lambda: home.registry)
    seen, path = [], "/registry/history?kind=versions"
    while path:
        text = pages.get(path, headers=BROWSER).text
        seen += re.findall(r"event (\d+) ·", text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = unescape(following[1]) if following else ""
    assert [int(number) for number in seen] == list(range(112, 0, -1))


def test_a_rollout_says_why_it_was_rolled_back(client, home):
    for alpha in (0.1, 1.0):
        home.push("diabetes", diabetes_model(alpha))
    home.registry.promote("diabetes", 1, ANN)
    plan = RolloutPlan(2, steps=(5.0, 50.0, 100.0), every=60.0, abort_if="error_rate > 1%")
    made = home.registry.start_rollout("diabetes", plan, By("ann", EVIL))
    home.registry.change_rollout(made.id, RolloutChange(step=1), ANN)
    pages = client(registry=lambda: home.registry)
    running = words(pages.get(f"/registry/rollouts/{made.id}", headers=BROWSER).text)
    assert "Version 2 gets 50 % of the requests" in running
    assert "0 of the 50 requests that it takes" in running
    home.registry.change_rollout(made.id, RolloutChange(state="aborted", reason=f"at 50 %: {EVIL}"), ANN)
    ended = pages.get(f"/registry/rollouts/{made.id}", headers=BROWSER).text
    assert "Rolled back: all requests get version 1" in words(ended)
    assert f"at 50 %: {EVIL}" in unescape(ended)
    assert "<img" not in ended
    assert "data-conduct" not in ended
    assert "rolled back" in words(pages.get("/registry/rollouts", headers=BROWSER).text)


def test_what_people_wrote_is_never_markup(client, home):
    who = By(EVIL, EVIL)
    home.push("diabetes", diabetes_model(0.1), who, description=EVIL, tags={"note": EVIL}, metrics={"<b>r2": 0.5})
    home.push("diabetes", diabetes_model(1.0), who, description=EVIL)
    home.registry.describe("diabetes", None, EVIL, who)
    home.registry.set_tags("diabetes", None, {"note": EVIL}, who)
    home.registry.promote("diabetes", 1, who)
    pages = client(registry=lambda: home.registry)
    of_model = ("", "/versions/1", "/compare?v=1&v=2", "/promote?version=2", "/rollback")
    others = ("", "?q=%3Cscript%3E", "/history", f"/history?model={EVIL}", "/rollouts?model=%3Cscript%3E")
    for path in (*(f"/registry{rest}" for rest in others), *(f"/registry/models/diabetes{rest}" for rest in of_model)):
        answer = pages.get(path, headers=BROWSER)
        assert answer.status_code == (404 if "model=" in path else 200), path
        assert "<script>alert" not in answer.text, path
        assert "<img" not in answer.text, path
        assert "<b>" not in answer.text, path
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_evaluation_of_another_form_is_said_and_breaks_nothing_else(client, home):
    home.push("diabetes", diabetes_model(0.1))
    home.set_gates("diabetes", write_diabetes(home.folder.parent / "diabetes.csv"), "progression", "r2 >= 0.3")
    data = home.registry.gates("diabetes").data
    made = home.registry.record_evaluation("diabetes", 1, {"form": 9}, {"r2": 0.5}, "mine", data, ANN)
    pages = client(registry=lambda: home.registry)
    answer = pages.get(f"/registry/evaluations/{made.id}", headers=BROWSER)
    assert answer.status_code == 400
    assert "This is not an evaluation" in answer.text
    assert "not known yet r2 >= 0.3" in words(
        pages.get("/registry/models/diabetes/promote?version=1", headers=BROWSER).text
    )


def test_registry_that_is_away_says_so_and_models_go_on(client):
    def away():
        raise UnavailableError("the registry's database can't be reached: connection refused")

    pages = client(fake.diabetes(), registry=away)
    answer = pages.get("/registry", headers=BROWSER)
    assert answer.status_code == 503
    assert "The registry can't be reached" in unescape(answer.text)
    assert "connection refused" in answer.text
    assert pages.get("/models/diabetes", headers=BROWSER).status_code == 200
    told = pages.get("/registry")
    assert (told.status_code, json.loads(told.text)["kind"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/models/tumor", 404, "did you mean 'tumour'"),
        ("/models/tumour/versions/9", 404, "has no version 9"),
        ("/models/tumour/versions/x", 400, "versions are numbered"),
        ("/models/tumour?before=x", 400, "which is no number"),
        ("/models/tumour/promote", 400, "Say which version"),
        ("/rollouts/99", 404, "99"),
        ("/evaluations/99", 404, "99"),
        ("/rollouts/first", 400, "which is no number"),
    ],
)
def test_what_is_not_there_is_said(page, path, status, said):
    assert said in unescape(page(path, status))
