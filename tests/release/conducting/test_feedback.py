"""Outcomes that callers report, over HTTP, and what is told of them."""

from __future__ import annotations

import httpx
import pytest
from conducting_cases import fill, start
from scipy import stats

from modelport.core.request_id import new_request_id
from registry_serving import RegistryServer


@pytest.fixture
def client(registry, monkeypatch):
    from modelport.control import registry_routers
    from modelport.control.feedback import feedback_router

    routers = registry_routers.release_routers
    monkeypatch.setattr("registry_serving.release_routers", lambda made: (*routers(made), feedback_router(made)))
    server = RegistryServer(lambda: registry)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as made:
        yield made
    server.stop()


def ids(rollout, version, count):
    return [new_request_id(version, rollout) for _ in range(count)]


def test_outcomes_are_compared(registry, client):
    rollout = start(registry, kind="ab", steps=(50.0,))
    for version, good in ((1, 60), (2, 90)):
        outcomes = [
            {"request_id": id_, "outcome": int(number < good)}
            for number, id_ in enumerate(ids(rollout.id, version, 200))
        ]
        answer = client.post("/models/m/feedback", json=outcomes)
        assert (answer.status_code, answer.json()) == (200, {"kept": 200})
    shown = client.get(f"/api/v1/registry/rollouts/{rollout.id}/report").json()["outcomes"]
    assert (shown["baseline"]["mean"], shown["candidate"]["mean"]) == (0.3, 0.45)
    assert shown["test"] == "two-proportion z-test"
    assert shown["difference"] == pytest.approx(0.15)
    assert shown["significant"] is True
    assert shown["p"] == pytest.approx(2 * stats.norm.sf(0.15 / (0.375 * 0.625 * 2 / 200) ** 0.5))
    assert shown["low"] < 0.15 < shown["high"]
    assert "version 2 differs by +0.15" in shown["text"]


def test_a_report_of_nothing(registry, client):
    rollout = start(registry)
    shown = client.get(f"/api/v1/registry/rollouts/{rollout.id}/report").json()
    assert shown["candidate"]["requests"] == 0
    assert shown["candidate"]["p99_ms"] is None
    assert shown["rule"] == {"text": "", "standing": "none", "terms": []}
    assert shown["outcomes"]["p"] is None
    assert client.get("/api/v1/registry/rollouts/77/report").status_code == 404


def test_the_same_request_again_replaces_its_outcome(registry, client):
    (id_,) = ids(0, 2, 1)
    for outcome in (1, 0.25):
        answer = client.post("/models/m/feedback", json={"request_id": id_, "outcome": outcome, "note": "late"})
        assert answer.json() == {"kept": 1}
    (figures,) = registry.outcomes("m")
    assert (figures.version, figures.count, figures.mean) == (2, 1, 0.25)


def test_ids_that_no_answer_has(registry, client, tmp_path):
    fill(registry, tmp_path, "other")
    rollout = start(registry)
    good = ids(rollout.id, 2, 1)[0]
    cases = [
        ("m", "nonsense", 400, "'nonsense' is no request id"),
        ("m", ids(77, 2, 1)[0], 404, "there is no rollout 77"),
        ("other", good, 400, "is that of an answer of 'm', not of 'other'"),
        ("m", ids(rollout.id, 3, 1)[0], 400, "is of the versions 1 and 2"),
        ("m", ids(0, 9, 1)[0], 404, "no version 9"),
        ("none", ids(0, 1, 1)[0], 404, "none"),
    ]
    for model, id_, status, text in cases:
        answer = client.post(f"/models/{model}/feedback", json={"request_id": id_, "outcome": 1})
        assert answer.status_code == status, answer.text
        assert text in answer.json()["error"]
    both = [{"request_id": good, "outcome": 1}, {"request_id": "nonsense", "outcome": 1}]
    assert client.post("/models/m/feedback", json=both).status_code == 400
    assert registry.outcomes("m") == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"outcome": 1}, "request_id"),
        ({"request_id": "0-1-a"}, "outcome"),
        ({"request_id": "0-1-a", "outcome": "good"}, "outcome"),
        (3, "the body"),
    ],
)
def test_bodies_that_say_nothing(registry, client, body, text):
    answer = client.post("/models/m/feedback", json=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


def test_too_many_at_once(registry, client):
    one = {"request_id": ids(0, 1, 1)[0], "outcome": 1}
    answer = client.post("/models/m/feedback", json=[one] * 10_001)
    assert answer.status_code == 400
    assert "at most 10000" in answer.json()["error"]
