"""Vertex AI's prediction requests."""

import re

import pytest
from hosted_cases import NAMED, NAMELESS, TEXT, answer, read, refused

from modelport.core.errors import Kind
from modelport.wire.vertex import VertexAi

VERTEX = VertexAi()


def test_instances_of_every_kind():
    assert read(VERTEX, NAMELESS, {"instances": [[1, 2, 3], [4, 5, 6]]}) == {"X": [[1, 2, 3], [4, 5, 6]]}
    assert read(VERTEX, NAMED, {"instances": [{"a": 1, "b": 2, "c": "y"}], "parameters": {}}) == {"X": [[1, 2, 1]]}
    assert read(VERTEX, TEXT, {"instances": ["a", {"b64": "Yg=="}]}, "") == {"text": [b"a", b"b"]}


def test_predictions_are_a_list():
    assert answer(VERTEX, NAMELESS, {"instances": [[1, 2, 3]]}) == {"predictions": [0]}
    both = {"label": "no", "scores": {"no": 0, "yes": 1}}
    assert answer(VERTEX, NAMED, {"instances": [[1, 2, 0]]}) == {"predictions": [both]}
    chosen = {"instances": [[1, 2, 0]], "parameters": {"outputs": "label"}}
    assert answer(VERTEX, NAMED, chosen) == {"predictions": ["no"]}


def test_the_deployed_model_is_told_where_it_is_known():
    document = {"predictions": [0], "deployedModelId": "42"}
    assert answer(VertexAi(deployed_model="42"), NAMELESS, {"instances": [[1, 2, 3]]}) == document


@pytest.mark.parametrize(
    ("route", "path", "model"),
    [
        ("/predict", "/predict", None),
        ("/a.b", "/a.b", None),
        ("", "/v1/endpoints/12/deployedModels/34:predict", None),
        ("", "/v1/projects/p/locations/europe-west1/endpoints/iris:predict", "iris"),
    ],
)
def test_paths(route, path, model):
    found = [re.fullmatch(pattern, path) for pattern in VertexAi(route).patterns]
    [match] = [match for match in found if match]
    assert match.groupdict().get("model") == model
    assert re.fullmatch(VertexAi("/a.b").patterns[0], "/axb") is None


@pytest.mark.parametrize(
    ("body", "kind", "wanted", "words"),
    [
        ([[1, 2, 3]], "application/json", Kind.INVALID_INPUT, "the list 'instances'"),
        ({"instances": 5}, "application/json", Kind.INVALID_INPUT, "the list 'instances'"),
        ({"instances": [[1, 2, 3]], "parameters": 5}, "application/json", Kind.INVALID_INPUT, "must be an object"),
        (b"1,2", "text/csv", Kind.UNSUPPORTED, "send application/json"),
    ],
)
def test_what_is_refused(body, kind, wanted, words):
    error = refused(VERTEX, NAMELESS, body, kind)
    assert error.kind is wanted
    assert words in str(error)
