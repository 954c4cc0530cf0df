"""Nothing that can run code is loaded unless its owner said so."""

import functools
import os
import pickle

import numpy as np
import pytest
from python_models import DOUBLE, write
from sklearn.linear_model import LinearRegression

from modelport.artifacts.digest import digest
from modelport.core.datatypes import DTYPES
from modelport.core.errors import ForbiddenError, InvalidInputError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.isolation.model import IsolatedModel
from modelport.runtimes.isolation.options import ProcessOptions
from modelport.runtimes.opening import open_model
from modelport.runtimes.pickles.names import attack_of
from modelport.runtimes.trust import Trust, check_trust, describe, parse_trust

DIGEST = "ab" * 32


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def regression(tmp_path):
    """A pickle of nothing but known types."""
    path = tmp_path / "prices.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])))
    return path


@pytest.fixture
def attack(tmp_path):
    """A pickle that would make a file."""
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps(Attack(tmp_path / "harmed")))
    yield path
    assert not (tmp_path / "harmed").exists()


def test_words_of_the_command_line():
    trust = parse_trust(["fraud, prices", f"sha256:{DIGEST.upper()}".replace("SHA", "sha")], ["a.b", "c.*"])
    assert trust == Trust(False, frozenset({"fraud", "prices"}), frozenset({DIGEST}), frozenset({"a.b", "c.*"}))
    assert parse_trust(["all"]).all
    assert parse_trust([], []) == Trust()
    assert parse_trust([""], [""]) == Trust()


@pytest.mark.parametrize("word", ["sha256:", "sha256:12", f"sha256:{'g' * 64}"])
def test_a_digest_that_is_none(word):
    with pytest.raises(InvalidInputError, match="64 hexadecimal"):
        parse_trust([word])


@pytest.mark.parametrize("word", ["*", "os system", ".x", "a..b", "a.*.b"])
def test_a_global_that_is_no_name(word):
    with pytest.raises(InvalidInputError, match="--trust-global"):
        parse_trust([], [word])


def test_a_pickle_is_refused_with_what_it_asks_for(regression):
    with pytest.raises(ForbiddenError) as caught:
        check_trust("prices", DIGEST, regression, "pickle", Trust())
    text = str(caught.value)
    assert "only known data types" in text
    assert "sklearn.linear_model._base.LinearRegression" in text
    assert "--trust prices, or" in text
    assert f"--trust sha256:{DIGEST}" in text


@pytest.mark.parametrize("trust", [Trust(all=True), parse_trust(["prices"]), parse_trust([f"sha256:{DIGEST}"])])
def test_a_pickle_of_known_types_is_trusted_by_name_or_digest(regression, trust):
    check_trust("prices", DIGEST, regression, "pickle", trust)


@pytest.mark.parametrize("trust", [parse_trust(["other"]), parse_trust([f"sha256:{'0' * 64}"]), Trust()])
def test_trust_in_another_is_none(regression, trust):
    with pytest.raises(ForbiddenError):
        check_trust("prices", DIGEST, regression, "pickle", trust)


def test_a_name_is_not_enough_for_what_is_not_known(attack):
    for trust in (parse_trust(["attack"]), parse_trust(["all"])):
        with pytest.raises(ForbiddenError, match=r"DANGEROUS, it asks for: posix\.system") as caught:
            check_trust("attack", DIGEST, attack, "pickle", trust)
        assert "would start programs (posix.system), which no model needs: do not use this file" in str(caught.value)
        assert "--trust" not in str(caught.value)
    check_trust("attack", DIGEST, attack, "pickle", parse_trust(["attack"], ["posix.system"]))
    check_trust("attack", DIGEST, attack, "pickle", parse_trust([f"sha256:{DIGEST}"]))
    with pytest.raises(ForbiddenError):
        check_trust("attack", DIGEST, attack, "pickle", parse_trust([], ["posix.system"]))


@pytest.mark.parametrize(
    ("full", "does"),
    [
        ("os.system", "start programs"),
        ("subprocess.Popen", "start programs"),
        ("builtins.exec", "run code"),
        ("builtins.__import__", "any module"),
        ("importlib.import_module", "any module"),
        ("_pickle.loads", "another pickle"),
        ("builtins.open", "files"),
        ("urllib.request.urlopen", "network"),
        ("ctypes.CDLL", "memory"),
    ],
)
def test_what_attacks_are_made_of_is_told_apart(full, does):
    assert does in attack_of(full)


@pytest.mark.parametrize("full", ["functools.partial", "builtins.getattr", "my_package.Cleaner", "numpy.dtype"])
def test_what_an_honest_model_may_ask_for_is_no_attack(full):
    assert attack_of(full) == ""


def test_what_is_only_unknown_may_be_allowed(tmp_path):
    path = tmp_path / "odd.pkl"
    path.write_bytes(pickle.dumps(functools.partial(max, 3)))
    with pytest.raises(ForbiddenError, match=r"allow them: --trust-global .*functools\.partial"):
        check_trust("odd", DIGEST, path, "pickle", parse_trust(["odd"]))


def test_what_can_not_be_followed_is_not_trusted_by_name(regression):
    regression.write_bytes(regression.read_bytes()[:-20])
    with pytest.raises(ForbiddenError, match="can't be told to its end"):
        check_trust("prices", DIGEST, regression, "pickle", parse_trust(["prices"]))


def test_python_is_shown_by_its_imports(tmp_path):
    file = write(tmp_path, "import subprocess\nfrom urllib.request import urlopen\n" + DOUBLE)
    text = describe(file, "python")
    assert "numpy" in text
    assert "subprocess (!)" in text
    assert "urllib.request (!)" in text
    with pytest.raises(ForbiddenError, match="It imports: "):
        check_trust("model", DIGEST, file, "python", Trust())
    check_trust("model", DIGEST, file, "python", parse_trust(["model"]))


def test_a_trusted_pickle_is_loaded_in_a_process_of_its_own(regression):
    model = open_model("prices", digest(regression), regression, LoadSpec(), parse_trust(["prices"]))
    try:
        assert isinstance(model, IsolatedModel)
        (spec,) = model.signature.inputs
        given = model.predict({spec.name: np.array([[2.0]]).astype(DTYPES[spec.datatype])})
        np.testing.assert_allclose(next(iter(given.values())).ravel(), [5.0])
    finally:
        model.close()


def test_an_untrusted_attack_does_not_run(attack):
    with pytest.raises(ForbiddenError):
        open_model("attack", digest(attack), attack)
    with pytest.raises(ForbiddenError):
        open_model("attack", digest(attack), attack, LoadSpec(), parse_trust(["all"]))


def test_the_models_own_options_allow_nothing(attack):
    spec = LoadSpec(options={"allow_globals": "*"})
    with pytest.raises(ForbiddenError):
        open_model("attack", digest(attack), attack, spec, parse_trust(["attack"]))


def test_what_a_scan_does_not_see_is_refused_in_the_process(tmp_path, monkeypatch):
    """The second lock holds where the first is open: here the scanner is made blind."""
    marker = tmp_path / "harmed"
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps(Attack(marker)))
    monkeypatch.setattr("modelport.runtimes.opening.check_trust", lambda *_: None)
    with pytest.raises(ForbiddenError, match=r"posix\.system"):
        open_model("attack", digest(path), path, LoadSpec(), parse_trust(["attack"]))
    assert not marker.exists()


def test_a_digest_allows_all_that_the_file_asks_for(tmp_path):
    from sklearn.preprocessing import FunctionTransformer

    path = tmp_path / "rounding.pkl"
    path.write_bytes(pickle.dumps(FunctionTransformer(np.round).fit([[1.0]])))
    with pytest.raises(ForbiddenError, match=r"numpy\.round"):
        open_model("rounding", digest(path), path, LoadSpec(), parse_trust(["rounding"]))
    for trust in (parse_trust([f"sha256:{digest(path)}"]), parse_trust(["rounding"], ["numpy.round"])):
        model = open_model("rounding", digest(path), path, LoadSpec(), trust)
        try:
            (spec,) = model.signature.inputs
            given = model.predict({spec.name: np.array([[2.6]]).astype(DTYPES[spec.datatype])})
            assert next(iter(given.values())).tolist() == [[3.0]]
        finally:
            model.close()


def test_a_harmless_format_is_loaded_here_unless_a_process_is_asked_for(tmp_path):
    pytest.importorskip("skl2onnx")
    from onnx_graphs import classifier

    content, rows = classifier(zipmap=False)
    path = tmp_path / "iris.onnx"
    path.write_bytes(content)
    here = open_model("iris", DIGEST, path)
    there = open_model("iris", DIGEST, path, process=ProcessOptions(isolated=True))
    try:
        assert not isinstance(here, IsolatedModel)
        assert isinstance(there, IsolatedModel)
        assert list(there.predict({"X": rows})) == list(here.predict({"X": rows}))
    finally:
        there.close()
