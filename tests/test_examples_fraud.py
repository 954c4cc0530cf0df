"""The fraud models: what scikit-learn says of each held-out payment, served from ONNX and from PMML."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

pytest.importorskip("pandas")

from sklearn.metrics import roc_auc_score

from example_programs import ask, figure, need, predict, program, texts, train, words
from running import Running

PAYMENT = {"amount": 310, "hour": 2.5, "account_days": 12, "channel": "web", "country": "abroad"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fraud")
    return folder, train("fraud", folder)


@pytest.fixture(scope="module")
def server(trained):
    running = Running(trained[0]).wait_ready(120)
    yield running
    assert running.stop() == 0, running.output


@pytest.fixture(params=["", "-pmml"])
def ending(request, trained):
    """The end of a model's name, which tells its format."""
    if request.param:
        need("pmml", trained[0] / "fraud-logistic-pmml.pmml")
    return request.param


@pytest.fixture(scope="module")
def example():
    """Held-out payments, their classes, and both models as scikit-learn fits them."""
    made = program("fraud")
    rows, held_out, classes, held_out_classes = made.split()
    models = {"fraud-logistic": made.logistic(rows, classes), "fraud-svm": made.machine(rows, classes)}
    return held_out[:600], held_out_classes[:600], models


def columns(rows):
    """An input for each column."""
    return {
        name: (texts(rows[name]) if rows[name].dtype.kind in "OT" else rows[name].to_numpy(np.float64)).reshape(-1, 1)
        for name in rows
    }


def test_logistic_regression_is_scikit_learns(server, example, ending):
    rows, classes, models = example
    given = ask(server.url, f"fraud-logistic{ending}", columns(rows))
    label = given["predicted_fraud" if ending else "label"]
    assert words(label).tolist() == models["fraud-logistic"].predict(rows).tolist()
    wanted = models["fraud-logistic"].predict_proba(rows)
    np.testing.assert_allclose(given["probabilities"], wanted, rtol=1e-9, atol=1e-12)
    assert roc_auc_score(classes == "fraud", given["probabilities"][:, 0]) > 0.9


def test_the_support_vector_machine_is_scikit_learns(server, example, ending):
    rows, _, models = example
    given = ask(server.url, f"fraud-svm{ending}", columns(rows))
    wanted = models["fraud-svm"].predict(rows).tolist()
    assert words(given["predicted_fraud" if ending else "label"]).tolist() == wanted
    assert set(wanted) == {"fraud", "honest"}
    if not ending:  # computed in float32 by ONNX Runtime
        np.testing.assert_allclose(given["decision"], models["fraud-svm"].decision_function(rows), atol=2e-5)


def test_a_payment_by_the_names_of_its_columns(server, ending):
    [bad] = predict(server.url, f"fraud-logistic{ending}", [PAYMENT])
    [good] = predict(server.url, f"fraud-logistic{ending}", [PAYMENT | {"country": "home", "amount": 12, "hour": 15}])
    assert bad["probabilities"]["fraud"] > 0.9 > 0.1 > good["probabilities"]["fraud"]


def test_a_channel_that_nobody_has_heard_of_is_the_callers_error(server, ending):
    answer = httpx.post(f"{server.url}/models/fraud-svm{ending}/predict", json=[PAYMENT | {"channel": "fax"}])
    assert answer.status_code == 400, answer.text
    assert "'fax'" in answer.json()["error"]


def test_units_and_categories_are_told(server, ending):
    document = httpx.get(f"{server.url}/v2/models/fraud-svm{ending}").json()
    told = {item["name"]: item["parameters"]["meaning"]["columns"][0] for item in document["inputs"]}
    assert (told["amount"]["unit"], told["account_days"]["unit"]) == ("EUR", "days")
    assert told["channel"]["categories"] == ["app", "terminal", "web"]


def test_they_are_as_good_as_claimed(trained):
    for name in ("fraud-logistic", "fraud-svm"):
        assert figure(trained[1], name, "ROC AUC ") > 0.9
        assert figure(trained[1], name, "average precision ") > 0.6
