"""Nothing that an untrusted file can run is run by a command that looks at it, whatever its format."""

import json

import pytest
from click.testing import CliRunner

from cli.planted_payloads import PAYLOADS
from modelport.cli.inspect import inspect
from modelport.cli.predict import predict
from modelport.runtimes.catalog import BUILT_IN, detect


def run(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words])


def each(trusted=(True, False)):
    chosen = [(maker, needs) for maker, (needs, asks) in PAYLOADS.items() if asks in trusted]
    return pytest.mark.parametrize(("maker", "needs"), chosen, ids=lambda item: getattr(item, "__name__", ""))


def planted(maker, needs, folder):
    for package in needs:
        pytest.importorskip(package)
    return maker(folder, folder / "mark"), folder / "mark"


@each()
def test_looking_at_a_file_runs_nothing_of_it(maker, needs, tmp_path):
    path, mark = planted(maker, needs, tmp_path)
    for options in ((), ("--json",), ("--measure",)):
        result = run(inspect, path, *options)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("Error: ")
        assert not mark.exists(), f"{maker.__name__} ran: {options}"
    assert run(predict, path, "--data", "[[1.0, 2.0]]").exit_code == 1
    assert not mark.exists()
    document = json.loads(run(inspect, path, "--json").stdout)
    assert document["servable"] is False


@each(trusted=(True,))
def test_what_needs_trust_says_so_before_anything_is_loaded(maker, needs, tmp_path):
    path, _ = planted(maker, needs, tmp_path)
    document = json.loads(run(inspect, path, "--json").stdout)
    assert [need["kind"] for need in document["needs"]] == ["trust"]
    text = document["needs"][0]["text"]
    if "do not use this file" in text:  # what only an attack asks for: no way to trust that is shown
        assert "system" in text
        assert "--trust" not in text
    else:
        assert f"--trust sha256:{document['sha256']}" in text
    assert document["code"]["description"]


@each(trusted=(True,))
def test_the_payloads_are_live(maker, needs, tmp_path):
    """What was shown not to run does run once its very content is trusted: the test above is no accident."""
    path, mark = planted(maker, needs, tmp_path)
    digest = json.loads(run(inspect, path, "--json").stdout)["sha256"]
    assert not mark.exists()
    run(inspect, path, "--trust", f"sha256:{digest}")
    assert mark.exists()


def test_every_format_that_runs_code_has_a_payload(tmp_path):
    seen = set()
    for maker, (needs, _) in PAYLOADS.items():
        folder = tmp_path / maker.__name__
        folder.mkdir()
        path, _ = planted(maker, needs, folder)
        found = path if path.is_file() or not (path / "model.pkl").is_file() else path / "model.pkl"
        if not (path / "config.pbtxt").is_file() and not (path / "model-settings.json").is_file():
            seen.add(detect(found))
    assert {name for name, entry in BUILT_IN.items() if entry.runs_code} <= seen


def test_a_digest_vouches_for_the_code_beside_the_weights_too(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from cli.planted_payloads import safetensors

    path = safetensors(tmp_path, tmp_path / "mark")
    digest = json.loads(run(inspect, path, "--json").stdout)["sha256"]
    (tmp_path / "model.py").write_text((tmp_path / "model.py").read_text() + "\n# changed\n")
    for command, words in ((inspect, ()), (predict, ("--data", "[[1.0]]"))):
        result = run(command, path, *words, "--trust", f"sha256:{digest}")
        assert result.exit_code == 1
        assert not (tmp_path / "mark").exists()
