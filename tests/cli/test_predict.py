import json
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image

from modelport.cli.predict import Target, find_target, predict
from modelport.cli.prediction_input import UnreadableError, read_content
from modelport.cli.prediction_text import MOST_ROWS, prediction_text
from modelport.core.description import signature_to_dict
from modelport.core.errors import ModelportError
from modelport.core.messages import InferenceResponse
from modelport.runtimes.catalog import load
from modelport.wire.http import HttpCall
from modelport.wire.open_inference import OpenInference

COLUMNS = ("amount", "time", "location")
MEANING = {
    "inputs": {"X": {"kind": "tabular", "columns": [{"name": name} for name in COLUMNS]}},
    "outputs": {
        "label": {"kind": "labels", "labels": ["fine", "fraud"]},
        "scores": {"kind": "probabilities", "labels": ["fine", "fraud"]},
    },
}
WEIGHTS = np.array([[0, 0.01], [0.5, 0], [0, 0]], np.float32)
RECORD = {"amount": 1000, "time": 2, "location": 1}


@pytest.fixture(scope="module")
def fraud(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "fraud.onnx"
    nodes = [
        helper.make_node("MatMul", ["X", "W"], ["Y"]),
        helper.make_node("Softmax", ["Y"], ["scores"], axis=1),
        helper.make_node("ArgMax", ["Y"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]),
    ]
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 3])]
    graph = helper.make_graph(nodes, "fraud", inputs, outputs, [onnx.numpy_helper.from_array(WEIGHTS, "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="modelport", value=json.dumps(MEANING))
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def modelport_url(serve_models, fraud):
    return serve_models(fraud)


@pytest.fixture(scope="module")
def other_url(fraud):
    """A server of another make: the Open Inference Protocol and nothing else."""

    class Handler(_Handler):
        model = load(fraud)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/v2":
            return self._send(200, {"name": "test", "extensions": ["binary_tensor_data"]})
        if self.path == "/v2/models/fraud":
            document = signature_to_dict(self.model.signature)
            for item in (*document["inputs"], *document["outputs"]):
                item["parameters"] = {"meaning": item.pop("meaning", None)}
            return self._send(200, {"name": "fraud", **document})
        return self._send(404, {"error": f"nothing is at {self.path}"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v2/models/fraud/infer":
            return self._send(404, {"error": f"nothing is at {self.path}"})
        dialect = OpenInference()
        headers = {name.lower().encode(): value.encode() for name, value in self.headers.items()}
        try:
            request, encode = dialect.decode(HttpCall(body, headers), self.model.signature)
            reply = encode(InferenceResponse("fraud", 1, self.model.predict(request.inputs, request.outputs)))
        except ModelportError as error:
            reply = dialect.refuse(error)
        return self._send(reply.status, reply.body, reply.headers)

    def _send(self, status, body, headers=()):
        if isinstance(body, dict) or (isinstance(body, list) and not isinstance(body[0], bytes)):
            body = json.dumps(body).encode()
        content = body if isinstance(body, bytes) else b"".join(bytes(part) for part in body)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name.decode(), value.decode())
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(params=["file", "model URL", "server URL", "protocol URL", "another's server", "another's model"])
def target(request, fraud, modelport_url, other_url):
    return {
        "file": [str(fraud)],
        "model URL": [f"{modelport_url}/models/fraud"],
        "server URL": [modelport_url],
        "protocol URL": [f"{modelport_url}/v2/models/fraud"],
        "another's server": [other_url, "--model", "fraud"],
        "another's model": [f"{other_url}/v2/models/fraud/infer"],
    }[request.param]


def run(*args, stdin=None):
    return CliRunner().invoke(predict, [str(item) for item in args], input=stdin)


def predicted(*args, stdin=None):
    result = run(*args, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["predictions"]


def test_every_kind_of_target_gives_the_same(target):
    (row,) = predicted(*target, "--data", json.dumps(RECORD))
    assert row["label"] == "fraud"
    assert row["scores"]["fraud"] == pytest.approx(1 / (1 + np.exp(1 - 10)), abs=1e-6)


FILES = ("x.npy", "x.npz", "x.json", "x.csv", "x.tsv", "index.csv", "bare.csv")


def inputs(folder):
    """Every way to give the record, as arguments and stdin."""
    rows = np.array([list(RECORD.values())], np.float32)
    np.save(folder / "x.npy", rows)
    np.savez(folder / "x.npz", X=rows)
    (folder / "x.json").write_text(json.dumps([RECORD]))
    (folder / "x.csv").write_text("amount,time,location\r\n1000,2,1\r\n")
    (folder / "x.tsv").write_text("amount\ttime\tlocation\n1000\t2\t1\n")
    (folder / "index.csv").write_text("\ufeff,location,time,amount\n0,1,2.0,1e3\n", encoding="utf-8")
    (folder / "bare.csv").write_text("1000,2,1\n")
    return {
        **{name: ([folder / name], None) for name in FILES},
        "words": (["amount=1000", "time=2", "location=1"], None),
        "data": (["--data", "[1000, 2, 1]"], None),
        "stdin JSON": (["-"], json.dumps(RECORD)),
        "stdin CSV": (["-"], (folder / "x.csv").read_bytes()),
        "stdin npy": (["-"], (folder / "x.npy").read_bytes()),
    }


@pytest.mark.parametrize("way", [*FILES, "words", "data", "stdin JSON", "stdin CSV", "stdin npy"])
def test_every_kind_of_input_means_the_same(tmp_path, fraud, way):
    args, stdin = inputs(tmp_path)[way]
    assert predicted(fraud, *args, stdin=stdin) == predicted(fraud, "--data", json.dumps(RECORD))


def test_for_people_one_row_has_bars(fraud):
    result = run(fraud, "amount=150", "time=1", "location=0")
    assert result.stdout.splitlines() == [
        "label   fraud",
        "scores",
        "  fraud   73.1%  █████████████████████████████▎",
        "  fine    26.9%  ██████████▊",
    ]


def test_for_people_several_rows_are_a_table(fraud, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([[0, 10, 0], [1000, 0, 0]]))
    assert run(fraud, path).stdout.splitlines() == [
        "row  label  scores",
        "1    fine   fine 99.3%",
        "2    fraud  fraud 100.0%",
    ]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["nowhere", "a=1"], 2, "'nowhere' is neither a file that exists nor a URL"),
        (["FILE"], 2, "there is nothing to predict"),
        (["FILE", "missing.json"], 2, "can't read 'missing.json': No such file"),
        (["FILE", "a=1", "b"], 2, "'b' is not of the form name=value"),
        (["FILE", "a=1", "a=2"], 2, "'a' is given twice"),
        (["FILE", "--data", "{"], 2, "--data is not valid JSON"),
        (["FILE", "a=1", "--data", "{}"], 2, "either INPUT or --data"),
        (["FILE", "a=1", "--version", "2"], 2, "are for servers"),
        (["FILE", "amonut=1", "time=2", "location=1"], 1, "did you mean 'amount'?"),
        (["FILE", "--data", '"a text"'], 1, "does not take a single text"),
        (["URL/models/fraud", "amonut=1", "time=2", "location=1"], 1, "did you mean 'amount'?"),
        (["URL/models/other", "a=1"], 1, "no model 'other' is served"),
        (["URL/models/fraud", "a=1", "--model", "b"], 2, "names the model 'fraud'"),
        (["URL", "a=1", "--header", "nothing"], 2, "NAME:VALUE"),
        (["ftp://host/models/m", "a=1"], 2, "nor a URL"),
    ],
)
def test_errors_are_one_line(fraud, modelport_url, args, code, says):
    result = run(*(item.replace("FILE", str(fraud)).replace("URL", modelport_url) for item in args))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert says in result.stderr


def test_no_server_there():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        result = run(f"127.0.0.1:{sock.getsockname()[1]}/models/m", "a=1")
    assert result.exit_code == 1
    assert "connection refused" in result.stderr
    assert "modelport serve" in result.stderr


def test_a_server_of_several_models_needs_the_name(serve_models, fraud, tmp_path):
    shutil.copy(fraud, tmp_path / "spam.onnx")
    url = serve_models(fraud, tmp_path / "spam.onnx")
    result = run(url, "--data", json.dumps(RECORD))
    assert result.exit_code == 2
    assert "serves these models: fraud, spam; name one with --model" in result.stderr
    assert predicted(url, "--model", "fraud", "--data", json.dumps(RECORD))


def test_a_model_file_that_is_none(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nothing")
    result = run(path, "a=1")
    assert result.exit_code == 1
    assert "m.onnx" in result.stderr


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://h:1/models/a%20b", Target("http://h:1", "a b", None, False)),
        ("http://h:1/models/m/versions/3/predict", Target("http://h:1", "m", "3", False)),
        ("http://h:1/models/m/?x=1#y", Target("http://h:1", "m", None, False)),
        ("https://h/prefix/v2/models/m/versions/3/infer", Target("https://h/prefix", "m", "3", True)),
        ("h:1/predict", Target("h:1", None, None, False)),
        ("http://h:1/v2", Target("http://h:1", None, None, False)),
        ("http://h:1/", Target("http://h:1", None, None, False)),
    ],
)
def test_targets(text, wanted):
    assert find_target(text, None, None) == wanted


def test_the_version_option_wins():
    assert find_target("http://h:1/models/m/versions/3", None, "4").version == "4"


@pytest.mark.parametrize(
    ("content", "suffix", "wanted"),
    [
        (b"a,b\n1,x\n,nan\n", "", [{"a": 1, "b": "x"}, {"a": None, "b": None}]),
        (b"1,2\n\n3,-4.5e1\n", "", [[1, 2], [3, -45.0]]),
        (b"a\n1\n", ".csv", [{"a": 1}]),
        (b"a text, with a comma\n", ".txt", "a text, with a comma\n"),
        (b"[1, NaN]", ".json", [1, pytest.approx(float("nan"), nan_ok=True)]),
        (b"5", "", 5),
    ],
)
def test_reading_files(content, suffix, wanted):
    assert read_content(content, "file", suffix) == wanted


@pytest.mark.parametrize(
    ("content", "suffix", "says"),
    [
        (b"a,b\n1\n", "", "row 2 of file has 1 cells, but the first has 2"),
        (b"", ".csv", "file is empty"),
        (b"hello", "", "not valid JSON"),
        (b"\xff\xfe\x00", "", "none of what can be read"),
        (b"\x93NUMPY\x01", "", "numpy file"),
        (b"PK\x03\x04 broken", "", "numpy file"),
    ],
)
def test_files_that_cannot_be_read(content, suffix, says):
    with pytest.raises(UnreadableError) as caught:
        read_content(content, "file", suffix)
    assert says in caught.value.message


def test_a_picture_is_kept_as_it_is(tmp_path):
    path = tmp_path / "p.png"
    Image.new("L", (2, 2)).save(path)
    assert read_content(path.read_bytes(), "p.png", ".png") == path.read_bytes()


def test_long_answers_are_cut():
    rows = prediction_text([{"y": float(n)} for n in range(MOST_ROWS + 5)]).splitlines()
    assert rows[-1] == "… 5 more rows; --json shows them all"
    assert len(rows) == MOST_ROWS + 2
    scores = prediction_text([{"p": {f"class {n}": n / 100 for n in range(14)}}]).splitlines()
    assert scores[-1] == "  … 4 more"
    wide = prediction_text({"embedding": list(range(500))})
    assert len(wide) <= 100
    assert wide.endswith("…")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([], "no rows"),
        ([{"y": 1.23456789}], "y  1.23457"),
        ([{"y": None, "t": "a"}], "y  null\nt  a"),
        ([{"s": {"a": 2.5, "b": -1}}], "s\n  a  2.5\n  b  -1"),
        ([{"s": {"a": None}}], 's  {"a":null}'),
    ],
)
def test_short_answers(answer, text):
    assert prediction_text(answer) == text
