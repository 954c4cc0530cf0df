import json
import os
import pickle

import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

from modelport.cli.inspect import inspect
from modelport.cli.predict import predict


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def regression(tmp_path):
    path = tmp_path / "prices.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])))
    return path


@pytest.fixture
def attack(tmp_path):
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps(Attack(tmp_path / "harmed")))
    yield path
    assert not (tmp_path / "harmed").exists()


def run(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words])


def test_an_attack_is_shown_and_not_run(attack):
    result = run(inspect, attack)
    assert result.exit_code == 1, result.output
    assert "DANGEROUS, it asks for: posix.system" in result.stdout
    assert result.stderr == "Error: attack can't be served as it is; it needs: trust (see 'To serve it')\n"
    document = json.loads(run(inspect, attack, "--json").stdout)
    assert document["code"]["dangerous"] == ["posix.system"]
    assert document["dangers"] == ["attack.pkl asks for posix.system, which can reach beyond the model"]
    assert len(document["sha256"]) == 64
    refused = run(inspect, attack, "--trust", "all")
    assert refused.exit_code == 1
    assert "would start programs (posix.system)" in refused.stdout
    assert "--trust-global posix.system" not in refused.stdout


def test_a_pickle_has_a_signature_once_it_is_trusted(regression):
    without = json.loads(run(inspect, regression, "--json").stdout)
    assert "signature" not in without
    assert "only known data types" in without["code"]["description"]
    assert without["written_by"].startswith("scikit-learn ")
    for trust in ("prices", "all", f"sha256:{without['sha256']}"):
        document = json.loads(run(inspect, regression, "--json", "--trust", trust).stdout)
        assert document["signature"]["inputs"]
        assert document["code"]["imports"] == without["code"]["imports"]
        assert (document["servable"], document["needs"]) == (True, [])
        assert document["parameters"] == "2"
    text = run(inspect, regression, "--trust", "prices").stdout
    assert "Inputs" in text
    assert "It asks for only known data types" in text


def test_predict_asks_for_trust_too(regression, attack):
    refused = run(predict, regression, "--data", "[[2.0]]")
    assert refused.exit_code == 1
    assert "--trust prices" in refused.stderr
    trusted = run(predict, regression, "--data", "[[2.0]]", "--trust", "prices", "--json")
    assert trusted.exit_code == 0, trusted.output
    (answer,) = json.loads(trusted.stdout)["predictions"]
    assert next(iter(answer.values())) == pytest.approx(5.0)
    assert run(predict, attack, "--data", "[[2.0]]", "--trust", "all").exit_code == 1


def test_words_of_trust_that_are_none(regression):
    result = run(inspect, regression, "--trust", "sha256:12")
    assert "64 hexadecimal" in result.stderr
    assert result.exit_code == 2
