"""TorchServe's `/predictions`: what its documentation's clients send, and what they get."""

import base64
import io
import json
import re

import pytest
from hosted_cases import COLUMNS, NAMED, NAMELESS, PICTURES, TEXT, answer, ask, call, read, refused
from PIL import Image as Pillow

from modelport.core.errors import Kind
from modelport.wire.torchserve import TorchServe, TorchServeExplanations

TORCHSERVE = TorchServe()
FORM = "multipart/form-data; boundary=XX"


def form(data, name="data", more='; filename="f"'):
    return b'--XX\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n--XX--\r\n' % (
        name.encode(),
        more.encode(),
        data,
    )


@pytest.mark.parametrize(
    "kind", ["application/json", "", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_json_under_any_type_that_clients_have_for_it(kind):
    assert read(TORCHSERVE, NAMELESS, b"[1, 2, 3]", kind) == {"X": [[1, 2, 3]]}


@pytest.mark.parametrize(
    "document", [[1, 2, 3], [[1, 2, 3]], {"data": [1, 2, 3]}, {"instances": [[1, 2, 3]]}, {"X": [1, 2, 3]}]
)
def test_ways_to_say_a_row(document):
    assert read(TORCHSERVE, NAMELESS, document) == {"X": [[1, 2, 3]]}


def test_the_field_data_of_a_form():
    assert read(TORCHSERVE, NAMELESS, form(b"[1, 2, 3]"), FORM) == {"X": [[1, 2, 3]]}
    assert read(TORCHSERVE, TEXT, form(b"some text", more=""), FORM) == {"text": [b"some text"]}


def test_text_as_the_body():
    assert read(TORCHSERVE, TEXT, b"The bank raised its rates.", "") == {"text": [b"The bank raised its rates."]}
    assert read(TORCHSERVE, TEXT, b"[1] a footnote", "text/plain") == {"text": [b"[1] a footnote"]}
    assert read(TORCHSERVE, TEXT, b'["a", "b"]', "application/json") == {"text": [b"a", b"b"]}


def test_one_row_is_answered_by_its_bare_value():
    assert answer(TORCHSERVE, NAMELESS, [1, 2, 3]) == 0
    assert answer(TORCHSERVE, TEXT, b"good", "text/plain") == "no"
    assert answer(TORCHSERVE, NAMED, {"a": 1, "b": 2, "c": "x"}) == {"label": "no", "scores": {"no": 0, "yes": 1}}


def test_rows_are_answered_by_a_list_even_if_there_is_one():
    assert answer(TORCHSERVE, NAMELESS, [[1, 2, 3]]) == [0]
    assert answer(TORCHSERVE, NAMELESS, [[1, 2, 3], [4, 5, 6]], rows=2) == [0, 1]
    assert answer(TORCHSERVE, COLUMNS, [{"age": 3, "city": "x"}]) == [0]
    assert answer(TORCHSERVE, TEXT, ["a"]) == ["no"]


def test_the_envelope_of_instances_is_answered_by_predictions():
    assert answer(TORCHSERVE, NAMELESS, {"instances": [[1, 2, 3]]}) == {"predictions": [0]}


def test_explanations_are_refused_by_name():
    error = refused(TorchServeExplanations(), NAMELESS, [1, 2, 3])
    assert error.kind is Kind.UNSUPPORTED
    assert json.loads(TORCHSERVE.refuse(error).body)["code"] == 501


@pytest.mark.parametrize(
    ("path", "model", "version"),
    [
        ("/predictions/resnet-18", "resnet-18", None),
        ("/predictions/m/", "m", None),
        ("/predictions/m/2", "m", "2"),
        ("/predictions/m/2.0", "m", "2"),
        ("/predictions/m/2.5", "m", "2.5"),
    ],
)
def test_paths(path, model, version):
    [pattern] = TORCHSERVE.patterns
    assert re.fullmatch(pattern, path).groupdict() == {"model": model, "version": version}


def test_an_answer_is_json_of_the_type_that_says_so():
    assert ask(TORCHSERVE, NAMELESS, [1, 2, 3]).content_type == b"application/json"


def test_nonsense_is_a_bad_request():
    assert refused(TORCHSERVE, NAMELESS, b"nonsense", "text/plain").kind is Kind.INVALID_INPUT
    assert refused(TORCHSERVE, NAMELESS, b"\x89PNG\r\n\x1a\n", "").kind is Kind.INVALID_INPUT
    assert TORCHSERVE.model_of(call(b"").headers) is None


def test_pictures_as_curl_and_the_documentation_send_them():
    made = io.BytesIO()
    Pillow.new("RGB", (5, 7), (255, 0, 0)).save(made, "PNG")
    picture, signature = made.getvalue(), PICTURES
    expected = read(TORCHSERVE, signature, picture, "image/png")
    assert len(expected["image"]) == 1
    encoded = base64.b64encode(picture).decode()
    for body, kind in (
        (picture, ""),
        (picture, "application/x-www-form-urlencoded"),
        (form(picture), FORM),
        ({"data": {"b64": encoded}}, "application/json"),
        ({"instances": [{"b64": encoded}]}, "application/json"),
    ):
        assert read(TORCHSERVE, signature, body, kind) == expected
    assert answer(TORCHSERVE, signature, picture, "") == {"no": 0, "yes": 1}
