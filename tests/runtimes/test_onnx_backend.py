"""ONNX's own node tests pass through a served API, except those that ONNX Runtime itself does not pass."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx.backend.test.loader")

from onnx_backend_cases import (
    VERSIONS,
    InferenceConnection,
    exceptions,
    listed_versions,
    node_tests,
    run_directly,
    why,
)

from running import Running


@pytest.fixture(scope="module")
def tests():
    return node_tests()


@pytest.fixture(scope="module")
def expected_to_pass(tests):
    """All but the exceptions; with other versions than the list was made for, all that ONNX Runtime itself passes."""
    listed = exceptions()
    chosen = [test for name, test in tests.items() if name not in listed]
    return chosen if listed_versions() == VERSIONS else [test for test in chosen if passes_directly(test)]


def passes_directly(test):
    try:
        run_directly(test)
    except Exception:
        return False
    return True


def test_the_node_tests_pass_through_a_server(expected_to_pass, tmp_path):
    assert len(expected_to_pass) > 1000
    for test in expected_to_pass:
        (tmp_path / f"{test.name}.onnx").write_bytes(test.model.SerializeToString())
    server = Running(tmp_path, env={"MODELPORT_MODEL_THREADS": "1"}).wait_ready(120)
    try:
        assert failures(server.port, expected_to_pass) == {}
    finally:
        server.stop()


def failures(port, tests):
    connection, found = InferenceConnection(port), {}
    for test in tests:
        try:
            test.compare(connection.infer(test))
        except AssertionError as error:
            found[test.name] = why(error)
    connection.close()
    return found


@pytest.mark.skipif(listed_versions() != VERSIONS, reason=f"the list is for {listed_versions()}")
def test_no_exception_passes_in_onnx_runtime_itself(tests):
    listed = exceptions()
    assert listed.keys() <= tests.keys()
    assert [name for name, reason in listed.items() if is_stale(tests[name], reason)] == []


def is_stale(test, reason):
    return passes_directly(test) and "locale" not in reason  # hosts have them or not


def test_the_reasons_of_the_exceptions_are_said():
    assert all(len(reason) > 10 for reason in exceptions().values())
