"""What the server renders: content, escaping, headers, 404s."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import fake_catalog as fake
import pytest

from modelport.core.meaning import Column, Labels, Tabular

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """The tags of a page with their attributes, and the content of its data block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = tag == "script" and dict(attributes).get("type") == "application/json"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        self.data += data if self._inside else ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_list_says_what_is_served_in_words(client):
    text = client().get("/", headers=BROWSER).text
    for words in (
        "9 models · 7 ready · 1 loading · 1 failed",
        "Diagnosis of a breast mass",
        "30 columns",
        "label: malignant or benign, probabilities of 2 classes",
        "8 × 8 greyscale picture",
        "label: one of 10",
        "disease progression one year after baseline in points",
        "version 2 of 2",
        "it ends after 4,096 bytes in the middle of a tensor",
    ):
        assert words in text
    assert '<a href="/models/breast-cancer">' in text


def test_list_of_one_model_is_still_a_list(client):
    text = client(fake.diabetes()).get("/").text
    assert "1 model<" in text.replace("\n", "")
    assert '<a href="/models/diabetes">' in text


def test_nothing_served_says_how_to_serve(client):
    text = client(catalog=fake.FakeCatalog()).get("/").text
    assert "Nothing is served yet" in text
    assert "modelport serve model.onnx" in text


def test_every_page_has_safe_headers(client):
    pages = client()
    for path in ("/", "/models/digits", "/models/breast-cancer/versions/1", "/models/churn", "/models/nobody"):
        headers = pages.get(path, headers=BROWSER).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_have_no_inline_script_style_or_handler(client):
    pages = client()
    for path in (
        "/",
        *(f"/models/{name}" for name in ("breast-cancer", "digits", "sentiment", "ranker", "fraud", "churn")),
    ):
        for tag, attributes in Tags(pages.get(path).text).tags:
            assert tag != "style"
            assert not any(name == "style" or name.startswith("on") for name in attributes)
            if tag == "script":
                assert attributes.get("src") or attributes["type"] == "application/json"
            for name in ("src", "href"):
                assert not re.match(r"(?:\w+:|//)", attributes.get(name) or "")


def test_all_that_a_model_says_is_escaped(client):
    column = Column(EVIL, EVIL, EVIL, 0.0, 1.0, 0.5)
    choice = Column(EVIL + "2", categories=(EVIL, "b"))
    outputs = [fake.tensor(EVIL, (-1,), Labels((EVIL, "b")))]
    model = fake.served(EVIL, [fake.tensor(EVIL, (-1, 2), Tabular((column, choice)))], outputs, EVIL)
    broken = fake.FakeModel(EVIL + "3", state="failed", error=EVIL)
    pages = client(model, broken)
    for path in ("/", "/models/%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E", "/models/<b>"):
        page = Tags(pages.get(path, headers=BROWSER).text)
        assert all(attributes.get("src") for attributes in page.all("script"))
        assert page.all("img") == []
        assert page.all("b") == []


def test_the_form_of_a_hostile_model_is_escaped(client):
    column = Column(EVIL, EVIL, EVIL, 0.0, 1.0, 0.5)
    model = fake.served("evil", [fake.tensor(EVIL, (-1, 1), Tabular((column,)))], [fake.tensor(EVIL, (-1,))], EVIL)
    page = Tags(client(model).get("/models/evil").text)
    assert page.all("img") == []
    assert [item.get("type") for item in page.all("script") if not item.get("src")] == ["application/json"]
    assert json.loads(page.data)["signature"]["inputs"][0]["name"] == EVIL
    assert EVIL in [item.get("data-key") for item in page.all("div")]


def test_page_carries_the_signature_and_the_paths(client):
    pages = client()
    data = json.loads(Tags(pages.get("/models/breast-cancer").text).data)
    assert (data["model"], data["version"], data["root"]) == ("breast-cancer", None, "")
    assert data["predict"] == "/models/breast-cancer/predict"
    assert data["signature"]["outputs"][0]["meaning"]["labels"] == ["malignant", "benign"]
    pinned = json.loads(Tags(pages.get("/models/breast-cancer/versions/1").text).data)
    assert pinned["predict"] == "/models/breast-cancer/versions/1/predict"
    assert pinned["infer"] == "/v2/models/breast-cancer/versions/1/infer"


def test_behind_a_proxy_every_address_has_its_prefix(client):
    page = Tags(client(root_path="/ml").get("/models/digits").text)
    addresses = [item.get("href") or item.get("src") or "" for _, item in page.tags]
    local = [address for address in addresses if address.startswith("/")]
    assert local
    assert all(address.startswith("/ml/") for address in local)
    assert json.loads(page.data)["root"] == "/ml"


def test_columns_become_labelled_controls(client):
    page = Tags(client(fake.diabetes()).get("/models/diabetes").text)
    labels = [item["for"] for item in page.all("label") if "for" in item]
    controls = {item["id"]: item for item in [*page.all("input"), *page.all("select")] if "id" in item}
    assert set(labels) == set(controls)
    age = controls[labels[0]]
    assert (age["type"], age["min"], age["max"], age["value"], age["step"]) == ("number", "19", "79", "48", "any")
    assert [item["value"] for item in page.all("option")] == ["", "female", "male"]
    described = {name for item in controls.values() for name in (item["aria-describedby"] or "").split()}
    assert described <= {item.get("id") for _, item in page.tags}


def test_details_name_digest_framework_cost_and_metadata(client):
    text = client().get("/models/breast-cancer").text
    for words in ("9f86d081884c7d65", "ONNX Runtime", "onnx_onnxv1", "2025-11-21 08:30:00 UTC", "14.2 µs"):
        assert words in text
    for address in ("/docs", "/metrics", "/v2/models/breast-cancer"):
        assert f'href="{address}"' in text


def test_failed_and_loading_models_say_so(client):
    pages = client()
    text = pages.get("/models/churn").text
    assert "This model failed to load" in text
    assert "4,096 bytes" in text
    assert "<form" not in text
    assert "data-watch" in pages.get("/models/whisper").text


def test_a_ready_model_whose_newest_version_failed_still_has_its_form(client):
    model = fake.diabetes()
    model.error = "version 2: the file is cut short"
    text = client(model).get("/models/diabetes").text
    assert "The newest version failed to load" in text
    assert "<form" in text


@pytest.mark.parametrize("path", ["/models/breast-cancr", "/models/breast-cancr/versions/1"])
def test_unknown_model_names_the_nearest(client, path):
    pages = client()
    page = pages.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert "did you mean &#39;breast-cancer&#39;?" in page.text
    assert 'href="/models/breast-cancer"' in page.text
    answer = pages.get(path, headers={"accept": "*/*"})
    assert answer.status_code == 404
    assert answer.json() == {
        "error": "no model 'breast-cancr' is served here (did you mean 'breast-cancer'?)",
        "kind": "not_found",
    }


@pytest.mark.parametrize("version", ["3", "x", "01", "-1", "²"])
def test_unknown_version_names_the_known_ones(client, version):
    answer = client().get(f"/models/breast-cancer/versions/{version}")
    assert answer.status_code == 404
    assert answer.json()["error"].endswith("the versions that are loaded: 1, 2")
