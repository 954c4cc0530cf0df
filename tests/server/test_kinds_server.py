"""What tensors mean, declared in modelport.toml, through a real server."""

import io
import json
import struct
import urllib.error
import urllib.request
import wave

import numpy as np
import onnx.helper as h
import pytest
from onnx import TensorProto as T
from onnx import numpy_helper

from modelport.client import Client

DECLARED = """
[models.loudness.inputs.sound]
kind = "audio"
rate = 8000

[models.shop.inputs.x]
kind = "tabular"
columns = [
  { name = "rooms", type = "integer", minimum = 1, strict = true },
  { name = "heating", categories = ["gas", "wood"], default = "gas", optional = true },
]

[models.shop.outputs.scores]
kind = "ranking"
items = ["villa", "flat"]
top_k = 1

[models.objects.outputs.boxes]
kind = "detection"
scores = "confidence"
classes = "kinds"
labels = ["cat", "dog"]
form = "xywh"
threshold = 0.5

[models.tokens.inputs.text]
kind = "text"
tokenizer = "tokenizer.json"
"""


def write(path, nodes, inputs, outputs, **weights):
    made = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    info = [[h.make_tensor_value_info(*item) for item in side] for side in (inputs, outputs)]
    graph = h.make_graph(
        [h.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes], "g", *info, made
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def url(tmp_path_factory, serve_models):
    folder = tmp_path_factory.mktemp("kinds")
    write(
        folder / "loudness.onnx",
        [("Abs", ["sound"], ["abs"]), ("ReduceMax", ["abs", "axis"], ["peak"], {"keepdims": 0}),
         ("Shape", ["sound"], ["shape"]), ("Gather", ["shape", "axis"], ["length"])],
        [("sound", T.FLOAT, ["n", "t"])],
        [("peak", T.FLOAT, ["n"]), ("length", T.INT64, [1])],
        axis=np.array([1]),
    )  # fmt: skip
    write(
        folder / "shop.onnx",
        [("MatMul", ["x", "w"], ["scores"])],
        [("x", T.FLOAT, ["n", 2])],
        [("scores", T.FLOAT, ["n", 2])],
        w=np.array([[1, 2], [5, 0]], np.float32),
    )
    write(
        folder / "objects.onnx",
        [("Add", ["x", "b"], ["boxes"]), ("Mul", ["x0", "zero"], ["nothing"]),
         ("Add", ["nothing", "s"], ["confidence"]),
         ("Cast", ["nothing"], ["whole"], {"to": T.INT64}), ("Add", ["whole", "k"], ["kinds"]),
         ("ReduceMax", ["x", "axis"], ["x0"], {"keepdims": 0})],
        [("x", T.FLOAT, ["n", 2, 4])],
        [("boxes", T.FLOAT, ["n", 2, 4]), ("confidence", T.FLOAT, ["n", 2]), ("kinds", T.INT64, ["n", 2])],
        b=np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32), zero=np.array(0, np.float32),
        s=np.array([0.25, 0.75], np.float32), k=np.array([0, 1]), axis=np.array([2]),
    )  # fmt: skip
    write(
        folder / "tokens.onnx",
        [("ReduceSum", ["attention_mask", "axis"], ["count"], {"keepdims": 0}), ("Identity", ["input_ids"], ["ids"])],
        [("input_ids", T.INT64, ["n", "t"]), ("attention_mask", T.INT64, ["n", "t"])],
        [("count", T.INT64, ["n"]), ("ids", T.INT64, ["n", "t"])],
        axis=np.array([1]),
    )
    write_tokenizer(folder / "tokenizer.json")
    (folder / "modelport.toml").write_text(DECLARED)
    return serve_models(folder)


def write_tokenizer(path):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "where": 1, "is": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(path))


def predict(url, model, body, kind="application/json"):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/models/{model}/predict", raw, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            document = json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]
    return document.get("predictions", document.get("outputs"))


def recording(rate, seconds):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<hh", 16384, 16384) * int(rate * seconds))
    return buffer.getvalue()


def test_a_recording_is_brought_to_the_models_rate(url):
    [answer] = predict(url, "loudness", recording(48000, 0.5), "audio/wav")
    assert answer["length"] == 4000
    assert answer["peak"] == pytest.approx(0.5, abs=0.06)  # where the sound sets in, its band limit swings over
    assert "is cut short" in predict(url, "loudness", recording(48000, 0.5)[:100], "audio/wav")


def test_columns_and_a_ranking(url):
    assert predict(url, "shop", {"rooms": 3}) == [{"scores": [{"item": "flat", "score": 6}]}]
    assert predict(url, "shop", [{"rooms": 3, "heating": "wood"}]) == [{"scores": [{"item": "villa", "score": 8}]}]
    assert predict(url, "shop", {"rooms": 0}) == "column 'rooms' takes 1 or more, not 0"


def test_the_client_sends_recordings(url, tmp_path):
    (tmp_path / "a.wav").write_bytes(recording(8000, 0.25))
    with Client(url) as client:
        for given in (tmp_path / "a.wav", recording(8000, 0.25)):
            assert client.predict("loudness", given) == [{"peak": 0.5, "length": 2000}]


def test_objects(url):
    assert predict(url, "objects", {"instances": [[[0, 0, 0, 0]] * 2]}) == [
        {"boxes": [{"box": [5, 6, 12, 14], "score": 0.75, "label": "dog"}]}
    ]


def test_texts_are_tokenized_on_the_server(url):
    assert predict(url, "tokens", b"where is", "text/plain")[0]["ids"] == [1, 2]
    assert [row["count"] for row in predict(url, "tokens", {"instances": ["where", "is it"]})] == [1, 2]
    with urllib.request.urlopen(f"{url}/v2/models/tokens", timeout=20) as response:
        assert [item["name"] for item in json.load(response)["inputs"]] == ["text"]
