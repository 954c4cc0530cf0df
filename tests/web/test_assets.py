"""Static files: addresses that change with the content, long caching, no way out of the folder."""

from __future__ import annotations

import re

import pytest

from modelport.web.assets import Assets


def test_page_names_its_files_by_digest_and_they_are_cacheable_for_ever(client):
    pages = client()
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', pages.get("/models/digits").text)
    assert len(addresses) > 8
    for address in addresses:
        answer = pages.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_module_that_is_imported_is_there(client):
    pages, assets = client(), Assets()
    todo, seen = ["js/model.js"], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        answer = pages.get(assets.address(name))
        assert answer.headers["content-type"].startswith("text/javascript")
        todo += [f"js/{found}" for found in re.findall(r'from "\./([\w.]+)"', answer.text) if f"js/{found}" not in seen]
    assert {"js/snippets.js", "js/chart.js", "js/easel.js"} <= seen


def test_known_etag_is_not_sent_again(client):
    pages = client()
    first = pages.get("/static/css/base.css")
    assert first.headers["cache-control"] == "no-cache"
    again = pages.get("/static/css/base.css", headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_an_older_digest_gets_the_present_file_uncached(client):
    answer = client().get("/static/0123456789abcdef/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "", "js", "js/"])
def test_nothing_else_is_served(client, path):
    assert client().get(f"/static/{path}").status_code == 404


def test_the_digest_follows_the_content(tmp_path):
    (tmp_path / "a.css").write_text("a {}")
    first = Assets(tmp_path)
    (tmp_path / "a.css").write_text("b {}")
    assert Assets(tmp_path).address("a.css") != first.address("a.css")
    with pytest.raises(KeyError):
        first.address("b.css")


def test_browsers_that_ask_for_an_icon_get_one(client):
    assert client().get("/favicon.ico").headers["content-type"] == "image/svg+xml"
