"""The control API of releases: what it takes and refuses, and that what it gives is plain JSON."""

import httpx
import pytest

from modelport.client.registry import RemoteRegistry
from modelport.registry.records import By
from modelport.registry.transfers import push_packed
from modelport.testing.registry_contract import packed_file

BY = {"who": "ann", "why": "a test"}


@pytest.fixture
def api(registry_server, tmp_path, closing):
    """Calls a path below the API of a server whose registry has three versions of a model."""
    remote = closing(RemoteRegistry(registry_server.url))
    for content in (b"one", b"two", b"three"):
        push_packed(remote, "fraud", packed_file(tmp_path, content), By("ann"))
    with httpx.Client(base_url=f"{registry_server.url}/api/v1/registry") as client:

        def call(method, path, body=None, code=200):
            answer = client.request(method, path, json=body)
            assert answer.status_code == code, answer.text
            return answer.json() if answer.content else None

        yield call


def promote(api, version, code=204, **words):
    return api("POST", "/models/fraud/alias-promotions", {"version": version, "by": BY, **words}, code)


def test_promotions_and_the_way_back(api):
    assert api("GET", "/head") == {"head": 4}
    promote(api, 1)
    promote(api, 2, expect=1, verdicts=[{"gate": "a > 1", "passed": True, "why": "2"}])
    assert "names version 2" in promote(api, 3, code=409, expect=1)["error"]
    [model] = api("GET", "/desired")["models"]
    assert (model["aliases"], model["warm"], model["rollout"]) == ({"production": 2}, [1], None)
    assert sorted(model["versions"]) == ["1", "2"]
    assert api("POST", "/models/fraud/rollback", {"by": BY}) == {"version": 1}
    assert "nothing before" in api("POST", "/models/fraud/rollback", {"by": BY}, 409)["error"]
    event = api("GET", "/history?limit=2")[1]
    assert (event["kind"], event["detail"]["verdicts"][0]["gate"]) == ("promoted", "a > 1")


def test_a_rollout_over_http(api):
    promote(api, 1)
    plan = {"candidate": 2, "steps": [5, 25], "abort_if": "error_rate > 1%"}
    made = api("POST", "/models/fraud/rollouts", {"plan": plan, "by": BY}, 201)
    assert (made["state"], made["percent"], made["plan"]["kind"], made["why"]) == ("running", 5.0, "canary", "a test")
    path = f"/rollouts/{made['id']}"
    changed = api("PATCH", path, {"change": {"expect_state": "running", "expect_step": 0, "step": 1}, "by": BY})
    assert (changed["step"], changed["percent"]) == (1, 25.0)
    api("PATCH", path, {"change": {"expect_step": 0, "step": 1}, "by": BY}, 409)
    counted = {"rollout": made["id"], "server": "a", "version": 2, "requests": 3, "errors": 1, "latency": [1, 2]}
    api("POST", "/observations", {"observations": [counted]}, 204)
    assert api("GET", f"{path}/observations")[0]["latency"] == [1, 2]
    assert api("GET", "/rollouts") == api("GET", "/models/fraud/rollouts?limit=1") == [api("GET", path)]
    api("GET", "/rollouts/99", code=404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/models/fraud/rollouts", {"plan": {"candidate": 2, "kind": "wild"}, "by": BY}),
        ("POST", "/models/fraud/rollouts", {"plan": {"steps": [5]}, "by": BY}),
        ("PATCH", "/rollouts/1", {"change": {"state": "wild"}, "by": BY}),
        ("POST", "/models/fraud/alias-promotions", {"version": "two", "by": BY}),
        ("POST", "/models/fraud/rollback", {}),
        ("POST", "/observations", {"observations": [{"rollout": 1}]}),
        ("POST", "/models/fraud/outcomes", {"version": 1, "outcomes": [{"request_id": "a", "outcome": "good"}]}),
        ("PUT", "/models/fraud/gates", {"gates": {"rules": "a > 1"}, "by": BY}),
        ("POST", "/models/fraud/evaluations", {"version": 1, "document": [], "metrics": {}, "by": BY}),
        ("POST", "/jobs/take", {"worker": "w"}),
        ("POST", "/jobs/1/finish", {"worker": "w", "state": "asleep"}),
        ("GET", "/rollouts/x", None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_does_not_fit_is_refused_and_named(api, method, path, body):
    assert api(method, path, body, 400)["kind"] == "invalid_input"


def test_feedback_gates_evaluations_and_jobs(api):
    given = {"version": 1, "outcomes": [{"request_id": "a", "outcome": 1}, {"request_id": "b", "outcome": 0}]}
    assert api("POST", "/models/fraud/outcomes", given) == {"kept": 2}
    assert api("GET", "/models/fraud/outcomes") == [{"version": 1, "count": 2, "mean": 0.5, "variance": 0.5}]
    assert api("GET", "/models/fraud/gates") is None
    api("PUT", "/models/fraud/gates", {"gates": {"rules": ["a > 1"]}, "by": BY}, 204)
    assert api("GET", "/models/fraud/gates")["rules"] == ["a > 1"]
    api("PUT", "/models/fraud/gates", {"gates": None, "by": BY}, 204)
    assert api("GET", "/models/fraud/gates") is None
    said = {"version": 1, "document": {"n": 3}, "metrics": {"accuracy": 0.5, "roc_auc": None}, "by": BY}
    made = api("POST", "/models/fraud/evaluations", said, 201)
    assert (made["metrics"], made["document"]) == ({"accuracy": 0.5}, {"n": 3})
    assert api("GET", f"/evaluations/{made['id']}") == made
    assert api("GET", "/models/fraud/evaluations?version=1") == [made | {"document": None}]
    job = api("POST", "/jobs", {"kind": "evaluate", "subject": "fraud@1", "by": BY}, 201)
    assert api("POST", "/jobs/take", {"worker": "w", "lease": 60})["id"] == job["id"]
    assert api("POST", "/jobs/take", {"worker": "w", "lease": 60}) is None
    assert api("POST", f"/jobs/{job['id']}/report", {"worker": "w", "lease": 60, "done": 1}) == {"go_on": True}
    assert api("POST", f"/jobs/{job['id']}/cancel", {"by": BY})["cancelling"] is True
    api("POST", f"/jobs/{job['id']}/finish", {"worker": "w", "state": "cancelled"}, 204)
    assert [item["state"] for item in api("GET", "/jobs")] == ["cancelled"]
