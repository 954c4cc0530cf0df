"""The API's documentation: served by this server alone, and naming what the lanes answer."""

from __future__ import annotations

import re

import httpx


def get(server, path):
    answer = httpx.get(server.url + path, trust_env=False)
    assert answer.status_code == 200, path
    return answer


def test_the_page_needs_nothing_from_elsewhere(server):
    page = get(server, "/docs").text
    addresses = re.findall(r"""(?:src|href|url)["']?\s*[=:]\s*["']([^"']+)["']""", page)
    assert any(address.endswith(".js") for address in addresses)
    for address in addresses:
        assert address.startswith("/"), address
        get(server, address)


def test_inference_is_documented(server):
    paths = get(server, "/openapi.json").json()["paths"]
    for path in ("/v2/models/{model}/infer", "/models/{model}/predict", "/predict", "/v1/models/{model}:predict"):
        assert "post" in paths[path], path
    assert {"get"} <= paths["/v2/health/ready"].keys()
