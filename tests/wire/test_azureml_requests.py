"""Azure Machine Learning's scoring requests and headers."""

import pytest
from hosted_cases import NAMED, NAMELESS, TEXT, answer, ask, call, read, refused

from modelport.core.errors import Kind, ModelFailedError
from modelport.wire.azureml import AzureMl, identifiers, refusal

AZURE = AzureMl()
ROW = {"X": [[1, 2, 0]]}
FRAME = {"columns": ["a", "b", "c"], "index": [0], "data": [[1, 2, 0]]}


@pytest.mark.parametrize(
    "document",
    [
        {"input_data": FRAME},
        {"input_data": {"columns": ["c", "b", "a"], "data": [["x", 2, 1]]}, "params": {}},
        {"input_data": [[1, 2, 0]]},
        {"input_data": [{"a": 1, "b": 2, "c": 0}]},
        {"input_data": {"X": [[1, 2, 0]]}},
        {"Inputs": {"data": [[1, 2, 0]]}, "GlobalParameters": {"method": "predict"}},
        {"Inputs": {"data": [{"a": 1, "b": 2, "c": "x"}]}, "GlobalParameters": 1.0},
        {"Inputs": {"WebServiceInput0": [{"a": 1, "b": 2, "c": "x"}]}, "GlobalParameters": {}},
        {"inputs": {"data": [[1, 2, 0]]}, "GlobalParameters": {}},
        {"data": [[1, 2, 0]]},
        {"data": [{"a": 1, "b": 2, "c": 0}]},
        {"a": 1, "b": 2, "c": 0},
        [[1, 2, 0]],
    ],
)
def test_a_row_in_every_form(document):
    assert read(AZURE, NAMED, document) == ROW


def test_names_that_the_model_cannot_know():
    frame = {"columns": ["p", "q", "r"], "data": [[1, 2, 0]]}
    assert read(AZURE, NAMELESS, {"input_data": frame}) == ROW
    assert read(AZURE, NAMELESS, {"Inputs": {"data": [{"p": 1, "q": 2, "r": 0}]}}) == ROW


def test_text_as_the_body():
    assert read(AZURE, TEXT, b"some text", "text/plain") == {"text": [b"some text"]}


def test_answers_have_the_form_of_the_request():
    assert answer(AZURE, NAMELESS, {"input_data": [[1, 2, 3]]}) == [0]
    assert answer(AZURE, NAMELESS, {"data": [[1, 2, 3]]}) == [0]
    assert answer(AZURE, NAMELESS, {"Inputs": {"data": [[1, 2, 3]]}}) == {"Results": [0]}
    designer = {"Inputs": {"input1": [[1, 2, 3]]}, "GlobalParameters": {}}
    assert answer(AZURE, NAMELESS, designer) == {"Results": {"output1": [0]}}
    both = {"label": "no", "scores": {"no": 0, "yes": 1}}
    assert answer(AZURE, NAMED, {"input_data": FRAME}) == [both]
    assert answer(AZURE, NAMED, {"input_data": FRAME, "params": {"outputs": ["label"]}}) == ["no"]


def test_identifiers_are_echoed():
    sent = {"x_request_id": "r", "x_ms_client_request_id": "c"}
    headers = dict(ask(AZURE, NAMELESS, [[1, 2, 3]], **sent).headers)
    assert headers[b"x-request-id"] == b"r"
    assert headers[b"x-ms-client-request-id"] == headers[b"x-ms-request-id"] == b"c"
    assert headers[b"x-ms-run-function-failed"] == b"False"
    assert float(headers[b"x-ms-run-fn-exec-ms"]) >= 0


def test_the_legacy_identifier_is_the_clients():
    headers = dict(identifiers({b"x-ms-request-id": b"old"}))
    assert headers[b"x-ms-client-request-id"] == headers[b"x-ms-request-id"] == b"old"
    assert len(headers[b"x-request-id"]) == 36


def test_a_request_without_identifiers_gets_one():
    headers = dict(identifiers({}))
    assert headers[b"x-request-id"] == headers[b"x-ms-request-id"]
    assert b"x-ms-client-request-id" not in headers


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ((), None),
        (("https://a.org",), b"https://a.org"),
        (("https://b.org", "https://a.org"), b"https://a.org"),
        (("https://b.org",), None),
        (("*",), b"*"),
    ],
)
def test_pages_of_allowed_origins_may_read_the_answer(origins, expected):
    headers = dict(ask(AzureMl(origins), NAMELESS, [[1, 2, 3]], origin="https://a.org").headers)
    assert headers.get(b"access-control-allow-origin") == expected


def test_a_model_that_fails_is_told_by_a_header():
    assert dict(refusal(ModelFailedError("x")).headers)[b"x-ms-run-function-failed"] == b"True"


@pytest.mark.parametrize(
    ("body", "kind", "headers", "wanted", "words"),
    [
        ({"Inputs": {"a1": 1, "b1": 2}}, "application/json", {}, Kind.INVALID_INPUT, "one input of the service"),
        ({"input_data": FRAME, "params": 3}, "application/json", {}, Kind.INVALID_INPUT, "'params' must be an object"),
        (b"1,2,3", "text/csv", {}, Kind.UNSUPPORTED, "not understood"),
        (b"{", "application/json", {}, Kind.INVALID_INPUT, "not valid JSON"),
        (b"[]", "application/json", {"x_request_id": "a" * 101}, Kind.INVALID_INPUT, "must not exceed 100"),
    ],
)
def test_what_is_refused(body, kind, headers, wanted, words):
    error = refused(AZURE, NAMED, body, kind, **headers)
    assert error.kind is wanted
    assert words in str(error)
    assert AZURE.model_of(call(b"").headers) is None
