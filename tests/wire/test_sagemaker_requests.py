"""SageMaker's data formats, both ways: those of its serializers, and of its built-in algorithms' documentation."""

import io
import json

import numpy as np
import pytest
from hosted_cases import COLUMNS, NAMED, NAMELESS, TEXT, answer, ask, read, refused

from modelport.core.errors import InvalidInputError, Kind
from modelport.wire.sagemaker import SageMaker

SAGEMAKER = SageMaker()
ROW = {"X": [[1, 2, 3]]}


def npy(array):
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"1,2,3", "text/csv"),
        (b"1,2,3\n", "text/csv; label_size=0"),
        (b"1.0,2.0,3.0", "text/csv; charset=utf-8"),
        ([[1, 2, 3]], "application/json"),
        ([1, 2, 3], "application/json"),
        ({"instances": [[1, 2, 3]]}, "application/json"),
        ({"instances": [{"features": [1, 2, 3]}]}, "application/json"),
        ({"instances": [{"data": {"features": {"values": [1, 2, 3]}}}]}, "application/json"),
        ({"features": [1, 2, 3]}, "application/json"),
        (b'{"features": [1, 2, 3]}\n', "application/jsonlines"),
        (b'{"data": {"features": {"values": [1, 2, 3]}}}', "application/jsonlines"),
        (b"[1, 2, 3]\n\n", "application/x-jsonlines"),
        (npy(np.array([[1, 2, 3]])), "application/x-npy"),
        (npy(np.array([1.0, 2, 3], np.float16)), "application/x-npy"),
    ],
)
def test_a_row_in_every_format(body, kind):
    assert read(SAGEMAKER, NAMELESS, body, kind) == ROW


def test_a_header_row_is_recognised_or_said():
    assert read(SAGEMAKER, NAMED, b"c,b,a\nx,2,1", "text/csv") == {"X": [[1, 2, 0]]}
    assert read(SAGEMAKER, NAMELESS, b"0,1,2\n1,2,3", "text/csv; header=present") == ROW
    assert len(read(SAGEMAKER, NAMELESS, b"0,1,2\n1,2,3", "text/csv")["X"]) == 2


def test_records_a_line_each():
    body = b'{"age": 30, "city": "Bern"}\n{"age": 40, "city": "Rom"}'
    assert read(SAGEMAKER, COLUMNS, body, "application/jsonlines") == {
        "age": [[30], [40]],
        "city": [[b"Bern"], [b"Rom"]],
    }


def test_text_and_its_names():
    assert read(SAGEMAKER, TEXT, b"some text", "text/plain") == {"text": [b"some text"]}
    assert read(SAGEMAKER, TEXT, b"some text", "application/octet-stream") == {"text": [b"some text"]}


def test_json_is_the_answer_unless_accept_says_otherwise():
    assert answer(SAGEMAKER, NAMED, b"1,2,0", "text/csv") == [{"label": "no", "scores": {"no": 0, "yes": 1}}]
    assert answer(SAGEMAKER, NAMELESS, b"1,2,3", "text/csv", accept="*/*") == [0]
    assert answer(SAGEMAKER, NAMELESS, {"instances": [[1, 2, 3]]}) == {"predictions": [0]}


def test_accept_of_csv():
    reply = ask(SAGEMAKER, NAMED, b"1,2,0\n1,2,0", "text/csv", rows=2, accept="text/csv")
    assert reply.body == b"no,0.0,1.0\nyes,0.0,1.0\n"
    assert reply.content_type == b"text/csv; charset=utf-8"


def test_accept_of_json_lines():
    reply = ask(SAGEMAKER, NAMELESS, [[1, 2, 3]], rows=2, accept="application/jsonlines")
    assert [json.loads(line) for line in reply.body.splitlines()] == [0, 1]
    assert reply.content_type == b"application/jsonlines"


def test_accept_of_npy():
    reply = ask(SAGEMAKER, NAMELESS, [[1, 2, 3]], rows=2, accept="application/x-npy")
    assert np.load(io.BytesIO(reply.body)).tolist() == [[0], [1]]


def test_one_output_by_the_custom_attributes_which_come_back():
    sent = "trace=7,outputs=scores"
    reply = ask(
        SAGEMAKER, NAMED, b"1,2,0", "text/csv", accept="application/x-npy", x_amzn_sagemaker_custom_attributes=sent
    )
    assert np.load(io.BytesIO(reply.body)).tolist() == [[0, 1]]
    assert (b"x-amzn-sagemaker-custom-attributes", sent.encode()) in reply.headers


def test_another_default_answer():
    assert ask(SageMaker("text/csv"), NAMELESS, [[1, 2, 3]], accept="*/*").body == b"0.0\n"
    with pytest.raises(InvalidInputError, match="SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT='text/html'"):
        SageMaker("text/html")


@pytest.mark.parametrize(
    ("header", "model"),
    [("iris", "iris"), ("iris.tar.gz", "iris"), ("/eu/v1/iris.tar.gz", "iris"), ("a.b", "a.b"), ("", None)],
)
def test_the_target_model(header, model):
    assert SAGEMAKER.model_of({b"x-amzn-sagemaker-target-model": header.encode()}) == model


@pytest.mark.parametrize(
    ("body", "kind", "headers", "wanted", "words"),
    [
        (b"x", "application/x-recordio-protobuf", {}, Kind.UNSUPPORTED, "not understood"),
        (b"1,2,3", "text/csv", {"accept": "text/html"}, Kind.UNSUPPORTED, "accept one of"),
        (b"1,2,3", "text/csv; charset=latin-1", {}, Kind.UNSUPPORTED, "send UTF-8"),
        (b"", "application/jsonlines", {}, Kind.INVALID_INPUT, "no lines"),
        (b"{", "application/jsonlines", {}, Kind.INVALID_INPUT, "not valid JSON"),
        (b"", "", {}, Kind.INVALID_INPUT, ""),
        ({"features": {"keys": [1], "shape": [3]}}, "application/json", {}, Kind.UNSUPPORTED, "sparse"),
        (b"1", "text/csv", {"x_amzn_sagemaker_custom_attributes": "a" * 1025}, Kind.INVALID_INPUT, "1024"),
        (
            b"1,2,3",
            "text/csv",
            {"x_amzn_sagemaker_custom_attributes": "outputs=z"},
            Kind.INVALID_INPUT,
            "unknown output",
        ),
    ],
)
def test_what_is_refused(body, kind, headers, wanted, words):
    error = refused(SAGEMAKER, NAMELESS, body, kind, **headers)
    assert error.kind is wanted
    assert words in str(error)
