import io
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from PIL import Image

from modelport.client.exchange import Response
from modelport.client.plain import plain_answer, plain_body
from modelport.core.errors import InternalError, InvalidInputError


def sent(data):
    body, content_type = plain_body(data)
    assert content_type == "application/json"
    return json.loads(body)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"amount": 1000, "time": 2}, {"instances": {"amount": 1000, "time": 2}}),
        ([{"amount": 1}], {"instances": [{"amount": 1}]}),
        ({"amount": [1, 2]}, {"instances": {"amount": [1, 2]}}),
        ({"amount": np.array([1, 2])}, {"instances": {"amount": [1, 2]}}),
        ({"X": np.ones((1, 2))}, {"inputs": {"X": [[1, 1]]}}),
        ({"instances": [[1]]}, {"instances": [[1]]}),
        (["a", "b"], {"instances": ["a", "b"]}),
        ((1, 2), {"instances": [1, 2]}),
        (np.ones((2, 2), np.float32), {"instances": [[1, 1], [1, 1]]}),
        (np.array([[1, np.nan]]), {"instances": [[1, None]]}),
        (np.arange(6).reshape(2, 3).T, {"instances": [[0, 3], [1, 4], [2, 5]]}),
        (np.array([1.5], ml_dtypes.bfloat16), {"instances": [1.5]}),
        (np.array([b"a", "b"], np.object_), {"instances": ["a", "b"]}),
        ([np.float32(0.5), np.int64(2)], {"instances": [0.5, 2]}),
        ([b"\x89PNG\r\n\x1a\n"], {"instances": [{"b64": "iVBORw0KGgo="}]}),
    ],
)
def test_data_as_json(data, wanted):
    assert sent(data) == wanted


def test_pandas_by_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"amount": [1.5, None], "kind": ["a", "b"]}, index=["r", "s"])
    assert sent(frame) == {"instances": {"amount": [1.5, None], "kind": ["a", "b"]}}
    assert sent(frame.convert_dtypes())["instances"]["amount"] == [1.5, None]
    with pytest.raises(InvalidInputError, match="two columns named 'a'"):
        plain_body(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def picture(form):
    buffer = io.BytesIO()
    Image.new("L", (4, 4), 200).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_pictures(tmp_path, form, content_type):
    path = tmp_path / "picture"
    path.write_bytes(picture(form))
    assert plain_body(path) == plain_body(picture(form)) == (picture(form), content_type)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "CMYK", "F"])
def test_pil_images_go_as_png(mode):
    body, content_type = plain_body(Image.new(mode, (3, 2)))
    assert content_type == "image/png"
    assert Image.open(io.BytesIO(body)).size == (3, 2)


def test_a_str_is_text_even_if_such_a_file_exists(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(picture("PNG"))
    assert plain_body(str(path)) == (str(path).encode(), "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GIF89a", "PNG, JPEG or WebP"),
        (Path("/nonexistent/x.png"), "/nonexistent/x.png"),
        (object(), "object is not a number"),
        ([{1, 2}], "set is not a number"),
    ],
)
def test_what_is_refused(data, says):
    with pytest.raises(InvalidInputError) as caught:
        plain_body(data)
    assert says in str(caught.value)


def test_answers():
    assert plain_answer(Response(200, {}, b'{"predictions": [{"y": 1}]}')) == [{"y": 1}]
    assert plain_answer(Response(200, {}, b'{"outputs": {"y": 1}}')) == {"y": 1}
    for body in (b"{}", b"[]", b"<html>"):
        with pytest.raises(InternalError):
            plain_answer(Response(200, {}, body))
