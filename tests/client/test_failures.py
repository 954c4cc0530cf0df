import pytest

from modelport.client.failures import CLASSES, KINDS, error_of
from modelport.core.errors import InternalError, InvalidInputError, Kind
from modelport.wire.http import STATUS


@pytest.mark.parametrize("kind", list(Kind))
def test_the_kind_in_a_body_decides(kind):
    error = error_of(STATUS[kind], {}, b'{"error": "why", "kind": "%s"}' % kind.encode())
    assert error.kind == kind
    assert str(error) == "why"


@pytest.mark.parametrize("kind", list(Kind))
def test_without_a_kind_the_status_decides(kind):
    error = error_of(STATUS[kind], {}, b'{"error": "why"}')
    assert STATUS[error.kind] == STATUS[kind]


def test_the_tables_are_complete():
    assert set(CLASSES) == set(Kind)
    assert set(KINDS.values()) <= set(Kind)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error": "a"}', "a"),
        (b'{"detail": [{"loc": ["x"], "msg": "bad"}]}', '[{"loc":["x"],"msg":"bad"}]'),
        (b'{"message": "b"}', "b"),
        (b'{"error": "a", "kind": "nobody knows"}', "a"),
        (b'"text"', "text"),
        (b"<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "the server answered with status 418 and no explanation"),
        (b"{}", "the server answered with status 418 and no explanation"),
        (b"[" * 100_000, "[" * 500),
    ],
)
def test_what_bodies_say(body, says):
    error = error_of(418, {}, body)
    assert isinstance(error, InvalidInputError)
    assert str(error) == says


def test_an_unknown_status_from_500_is_the_servers():
    assert isinstance(error_of(599, {}, b""), InternalError)
