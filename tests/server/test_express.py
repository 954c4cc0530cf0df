"""The express way gives what the ordinary way gives, bit for bit, and leaves to it whatever it does not take."""

import gzip
import json
import math
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modelport.core.datatypes import DTYPES, datatype_of
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.engine import Engine, ServedVersion
from modelport.native import collect
from modelport.server.http.exchange import serialized
from modelport.server.http.express import Express
from modelport.server.http.routes import Route
from modelport.testing.fakes import FakeModel
from modelport.wire.http import HttpCall
from modelport.wire.open_inference import OpenInference

pytestmark = pytest.mark.skipif(collect is None, reason="the extension was not built: it wants a C compiler")
DIALECT = OpenInference()
ROUTE = Route(DIALECT, "m")
more = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


class Connection:
    """What the express way sees of a connection."""

    def __init__(self, express):
        self.written, self.settled = [], 0
        self.express, self.gate = express, express.gate(self, self.settle)
        self.gate.open(self.written.append)

    def settle(self):
        self.settled += 1

    def reply_express(self, exchange):
        self.written.append(serialized(exchange.reply, exchange.lines, True))

    def send(self, body, headers=(), head=b"POST /v2/models/m/infer HTTP/1.1"):
        """How many bytes were taken, of how many."""
        lines = {b"content-length": b"%d" % len(body), **dict(headers)}
        whole = head + b"".join(b"\r\n%b: %b" % item for item in lines.items())
        self.express.know(whole, ROUTE, lines, len(body))
        data = whole + b"\r\n\r\n" + body
        self.express.alone = True
        taken = self.gate.take(data)
        self.express.run_begun()
        return taken, len(data)


def made(signature, answer=None):
    """An engine with one cheap version, its express way, and the arrays that the model saw."""
    engine, seen = Engine(), []

    def predict(inputs):
        seen.append({name: array.copy() for name, array in inputs.items()})
        return answer(inputs) if answer else {f"{name}_out": array.copy() for name, array in inputs.items()}

    served = ServedVersion("m", 3, FakeModel(signature, predict), "d" * 64, None, engine.metrics, "tick")
    engine.expect("m").add(served)
    return engine, Express(engine, 64, 1 << 20), seen, served


def echo(datatype="FP32", shape=(-1, 3), names="x"):
    inputs = tuple(TensorSpec(name, datatype, shape) for name in names)
    return Signature(inputs, tuple(TensorSpec(f"{name}_out", datatype, shape) for name in names))


def body_of(response):
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
    return head, body


def check(signature, body):
    """Whether the express way took it; if so, everything is as on the ordinary way."""
    _, express, seen, served = made(signature)
    connection = Connection(express)
    taken, size = connection.send(body)
    try:
        request, encode = DIALECT.decode(HttpCall(body, {}), signature)
    except ModelportError:
        assert taken == 0, "it took what is refused"
        return False
    if not taken:
        return False
    assert taken == size
    assert list(seen[0]) == [spec.name for spec in signature.inputs]
    for name, array in seen[0].items():
        right = request.inputs[name]
        assert (array.dtype, array.shape) == (right.dtype, right.shape)
        assert array.tobytes() == right.tobytes()
    outputs = {f"{name}_out": request.inputs[name] for name in seen[0]}
    reply = encode(InferenceResponse("m", 3, outputs, request.id))
    (response,) = connection.written
    head, got = body_of(response)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got == reply.body
    assert connection.gate.outstanding == served.inflight == 0
    return True


def request_text(values, datatype="FP32", shape=None, name="x", **document):
    shape = [len(values) // 3, 3] if shape is None else shape
    data = "[" + ",".join(values) + "]"
    tensor = f'{{"name":"{name}","shape":{json.dumps(shape)},"datatype":"{datatype}","data":{data}}}'
    rest = "".join(f',"{key}":{json.dumps(value)}' for key, value in document.items())
    return f'{{"inputs":[{tensor}]{rest}}}'.encode()


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: repr(float(value))),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-300, 300).map(str),
    st.tuples(st.integers(0, 10**25), st.integers(-330, 330)).map(lambda pair: f"{pair[0]}e{pair[1]}"),
    st.tuples(st.integers(-9, 9), st.text("0123456789", min_size=1, max_size=40), st.integers(-60, 60)).map(
        lambda parts: f"{parts[0]}.{parts[1]}E{parts[2]:+d}"
    ),
)
odd = st.sampled_from(
    ["1e400", "-1e400", "1e-400", "-0", "-0.0", "01", "+1", "1.", ".5", "NaN", "null", "true", '"1"', "[1]", "1 2", "",
     "0x1", "Infinity", "1e", "1e+", "--1", "3.4028235677973366e38", "3.4028234663852886e38", "1.17549435e-38",
     "9007199254740993", "2.2250738585072011e-308", "18446744073709551616", "-9223372036854775809", "128", "-129",
     "0.1e1", "1_0", "1\u00a0", "\u0661"]
)  # fmt: skip


@more
@given(st.lists(numbers, min_size=3, max_size=3))
@example(["1", "2.5", "-3e-7"])
def test_numbers_are_read_as_they_are_on_the_ordinary_way(values):
    check(echo(), request_text(values))
    check(echo("FP64"), request_text(values, "FP64"))


@more
@given(
    st.lists(numbers | odd, min_size=3, max_size=3),
    st.sampled_from(["FP32", "FP64", "INT8", "UINT16", "INT64", "UINT64"]),
)
def test_odd_numbers_too(values, datatype):
    check(echo(datatype), request_text(values, datatype))


@pytest.mark.parametrize(
    "datatype", ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
)
def test_usual_requests_are_taken(datatype):
    signature = echo(datatype)
    assert check(signature, request_text(["1", "2", "3"], datatype))
    assert check(signature, request_text(["1", "2", "3", "4", "5", "6"], datatype, id="request-7"))
    if datatype[0] != "F":
        bits = DTYPES[datatype].itemsize * 8
        low, high = (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        assert check(signature, request_text([str(low), str(high), "0"], datatype))
        for value in (low - 1, high + 1):
            assert not check(signature, request_text([str(value), "1", "2"], datatype))


def test_every_float_of_sixteen_bits_patterns():
    step = 65537 * 3
    values = [struct.unpack("<f", struct.pack("<I", bits))[0] for bits in range(0, 2**32, step)]
    texts = [repr(value) for value in values if math.isfinite(value)]
    texts += ["0"] * (-len(texts) % 3)
    for at in range(0, len(texts), 1500):
        some = texts[at : at + 1500]
        assert check(echo(), request_text(some))


WORDS = '"inputs" "name" "x" "shape" "datatype" "FP32" "data" "id" "outputs" "parameters" 1 3 -1 0 [1,3] [[1]] null'
pieces = st.sampled_from([*"{}[],: \n\t\\\x00é", *WORDS.split(), "[1, 2, 3]", '"\\u0078"'])


@more
@given(st.data())
def test_bodies_that_are_nearly_right(data):
    text = request_text(["1", "2.5", "3"]).decode()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(pieces | st.just("")) + text[at + cut :]
    check(echo(), text.encode())


@more
@given(
    st.permutations(["name", "shape", "datatype", "data"]), st.sampled_from(["", " ", "\n\t ", "\r\n"]), st.booleans()
)
def test_any_order_and_any_spaces(order, space, twice):
    parts = {"name": '"x"', "shape": "[1,3]", "datatype": '"FP32"', "data": "[1,2,3]"}
    fields = [f'{space}"{key}"{space}:{space}{parts[key]}{space}' for key in order]
    fields += fields[:1] if twice else []
    assert check(echo(), f'{space}{{"inputs":{space}[{{{",".join(fields)}}}]{space}}}{space}'.encode()) in (True, False)


@given(st.binary(max_size=300))
@more
def test_any_bytes(body):
    check(echo(), body)


def test_several_inputs_and_shapes():
    signature = echo(shape=(-1, 2, 2), names="ab")
    tensors = [
        {"name": name, "shape": [1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4 + at]}
        for at, name in enumerate("ab")
    ]
    assert check(signature, json.dumps({"inputs": tensors}).encode())
    assert not check(signature, json.dumps({"inputs": tensors[:1]}).encode())
    assert not check(signature, json.dumps({"inputs": [tensors[0], tensors[0]]}).encode())
    check(signature, json.dumps({"inputs": tensors[::-1]}).encode())
    tensors[1]["shape"] = [2, 2, 1]
    assert not check(signature, json.dumps({"inputs": tensors}).encode())


def send_many(connection, bodies):
    for body in bodies:
        assert connection.send(body)[0]


def test_requests_of_one_pass_are_one_batch_and_each_gets_its_own_rows():
    _, express, seen, served = made(echo())
    one, two = Connection(express), Connection(express)
    bodies = [request_text([str(at), "0", "1"] * (1 + at % 2), id=f"r{at}") for at in range(6)]
    express.alone = True
    for at, body in enumerate(bodies):
        connection = (one, two)[at % 2]
        head = b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: %d" % len(body)
        express.know(head, ROUTE, {b"content-length": b"%d" % len(body)}, len(body))
        assert connection.gate.take(head + b"\r\n\r\n" + body)
    express.run_begun()
    assert [len(item["x"]) for item in seen] == [9]
    for connection, numbers_ in ((one, (0, 2, 4)), (two, (1, 3, 5))):
        documents = [json.loads(body_of(item)[1]) for item in connection.written]
        assert [document["id"] for document in documents] == [f"r{at}" for at in numbers_]
        assert [document["outputs"][0]["data"][0] for document in documents] == [float(at) for at in numbers_]
    counted = next(values for (kind, *_), values in served.metrics.collect().items() if kind == "meter")
    assert counted[:2] == [6, 9]
    assert counted[2] == pytest.approx(sum(counted[3:7]))
    assert [sum(counted[at : at + 18]) for at in range(7, 7 + 5 * 18, 18)] == [6] * 5


def test_a_model_that_fails_on_one_request_fails_for_that_one_only():
    def answer(inputs):
        if (inputs["x"] == 13).any():
            raise InvalidInputError("thirteen")
        return {"x_out": inputs["x"].copy()}

    _, express, _, served = made(echo(), answer)
    connections = [Connection(express) for _ in range(3)]
    express.alone = True
    for connection, first in zip(connections, ("1", "13", "2"), strict=True):
        body = request_text([first, "0", "0"])
        head = b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: %d" % len(body)
        express.know(head, ROUTE, {b"content-length": b"%d" % len(body)}, len(body))
        assert connection.gate.take(head + b"\r\n\r\n" + body)
    express.run_begun()
    heads = [body_of(b"".join(item) if isinstance(item, list) else item)[0] for c in connections for item in c.written]
    assert [head.split()[1] for head in heads] == [b"200", b"400", b"200"]
    assert served.inflight == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_json_has_no_number_for_are_those_of_the_ordinary_way(value):
    _, express, _, _ = made(echo(), lambda inputs: {"x_out": np.full_like(inputs["x"], value)})
    connection = Connection(express)
    body = request_text(["1", "2", "3"])
    assert connection.send(body)[0]
    request, encode = DIALECT.decode(HttpCall(body, {}), echo())
    try:
        wanted = encode(InferenceResponse("m", 3, {"x_out": np.full((1, 3), value, np.float32)}, request.id)).body
    except ModelportError as error:
        wanted = DIALECT.refuse(error).body
    (response,) = connection.written
    assert body_of(b"".join(response) if isinstance(response, list) else response)[1] == wanted


def test_a_connection_that_is_lost_costs_nobody_else():
    _, express, _, served = made(echo())
    gone, stays = Connection(express), Connection(express)
    body = request_text(["1", "2", "3"])
    head = b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: %d" % len(body)
    express.know(head, ROUTE, {b"content-length": b"%d" % len(body)}, len(body))
    express.alone = True
    for connection in (gone, stays):
        assert connection.gate.take(head + b"\r\n\r\n" + body)
    gone.gate.close()
    express.run_begun()
    assert gone.written == []
    assert len(stays.written) == 1
    assert served.inflight == gone.gate.outstanding == 0


def test_only_whole_requests_with_known_heads_are_taken():
    _, express, _, _ = made(echo())
    connection = Connection(express)
    body = request_text(["1", "2", "3"])
    head = b"POST /v2/models/m/infer HTTP/1.1\r\ncontent-length: %d" % len(body)
    whole = head + b"\r\n\r\n" + body
    assert connection.gate.take(whole) == 0, "unknown"
    express.know(head, ROUTE, {b"content-length": b"%d" % len(body)}, len(body))
    express.alone = True
    for cut in range(len(whole)):
        assert connection.gate.take(whole[:cut]) == 0
    assert connection.gate.take(whole * 3 + whole[:10]) == 3 * len(whole)
    express.run_begun()
    assert len(connection.written) == 3
    assert connection.gate.take(bytearray(whole)) == 0


def test_a_deadline_that_has_passed_is_told():
    _, express, seen, _ = made(echo())
    connection = Connection(express)
    body = request_text(["1", "2", "3"])
    assert connection.send(body, [(b"x-request-timeout", b"0.000000001")])[0]
    (response,) = connection.written
    assert body_of(b"".join(response) if isinstance(response, list) else response)[0].startswith(b"HTTP/1.1 504 ")
    assert seen == []


def test_what_is_unusual_about_a_version_sends_requests_the_ordinary_way():
    body = request_text(["1", "2", "3"])
    for change in (
        lambda engine, served: setattr(served, "special", True),
        lambda engine, served: setattr(served, "execution", "pool"),
        lambda engine, served: engine.model("m").remove(3),
    ):
        engine, express, seen, served = made(echo())
        change(engine, served)
        assert Connection(express).send(body)[0] == 0
        assert seen == []


def test_the_extension_survives_wrong_use():
    port = collect.Port(lambda: None)
    with pytest.raises(ValueError, match="not negative"):
        collect.Known(b"h", port, -1, {}, 1, 0, -1)
    with pytest.raises(ValueError, match="longer than the body"):
        collect.Known(b"h", port, 5, {}, 1, 0, 6)
    with pytest.raises(TypeError, match="plans are a dict"):
        collect.Collector(((b"x", b"FP32", "f", (-1, 3)),), 10, 1000, [])
    with pytest.raises(TypeError):
        collect.Gate([], 1, None, None)
    collector = collect.Collector(((b"x", b"FP32", "f", (-1, 3)),), 10, 1000, None)
    for call in (lambda: collector.span(0, 1), lambda: collector.request(0), lambda: collector.done(5)):
        with pytest.raises(IndexError):
            call()
    gate = collect.Gate({b"h": 3}, 10, SimpleNamespace(), lambda: None)
    assert gate.take(b"h\r\n\r\n") == 0
    collector.clear()


def binary_text(arrays, **document):
    """The JSON and the whole body of a request with binary tensors."""
    inputs = [
        {"name": name, "shape": list(array.shape), "datatype": datatype_of(array),
         "parameters": {"binary_data_size": array.nbytes}}
        for name, array in arrays.items()
    ]  # fmt: skip
    text = json.dumps({"inputs": inputs, **document}).encode()
    return text, text + b"".join(array.tobytes() for array in arrays.values())


def learned(signature, text, body):
    """The signature as the ordinary way leaves it behind: it has read such a request before. And what it made of it."""
    call = HttpCall(body, {b"inference-header-content-length": b"%d" % len(text)})
    return DIALECT.decode(call, signature)


ALL = {"parameters": {"binary_data_output": True}}


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT64"])
@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("wish", ["parameter", "outputs", "id"])
def test_binary_requests_are_answered_as_on_the_ordinary_way(datatype, rows, wish):
    signature = echo(datatype, names="xy")
    chance = np.random.default_rng(rows)
    make = lambda: np.frombuffer(chance.bytes(rows * 3 * DTYPES[datatype].itemsize), DTYPES[datatype]).reshape(rows, 3)  # noqa: E731
    arrays = {"y": make(), "x": make()}
    outputs = [{"name": f"{name}_out", "parameters": {"binary_data": True}} for name in "xy"]
    wishes = {"parameter": ALL, "outputs": {"outputs": outputs}, "id": {"id": "request 7", **ALL}}
    text, body = binary_text(arrays, **wishes[wish])
    request, encode = learned(signature, text, body)
    _, express, seen, served = made(signature)
    connection = Connection(express)
    taken, size = connection.send(body, [(b"inference-header-content-length", b"%d" % len(text))])
    assert taken == size
    assert {name: array.tobytes() for name, array in seen[0].items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    reply = encode(InferenceResponse("m", 3, {f"{name}_out": request.inputs[name] for name in "xy"}, request.id))
    head, got = body_of(connection.written[0])
    assert got == (reply.body if isinstance(reply.body, bytes) else b"".join(reply.body))
    lines = head.split(b"\r\n")
    assert lines[:2] == [b"HTTP/1.1 200 OK", b"content-type: application/octet-stream"]
    assert [b"%b: %b" % item for item in reply.headers] == [line for line in lines if line.startswith(b"inference-")]
    assert served.inflight == connection.gate.outstanding == 0


def test_binary_requests_of_one_pass_are_one_batch():
    signature = echo()
    _, express, seen, _ = made(signature)
    connections = [Connection(express) for _ in range(3)]
    express.alone = True
    for at, connection in enumerate(connections):
        array = np.full((1 + at % 2, 3), at, np.float32)
        text, body = binary_text({"x": array}, **ALL)
        learned(signature, text, body)
        headers = {b"content-length": b"%d" % len(body), b"inference-header-content-length": b"%d" % len(text)}
        head = b"POST /v2/models/m/infer HTTP/1.1" + b"".join(b"\r\n%b: %b" % item for item in headers.items())
        express.know(head, ROUTE, headers, len(body))
        assert connection.gate.take(head + b"\r\n\r\n" + body)
    express.run_begun()
    assert [len(item["x"]) for item in seen] == [4]
    for at, connection in enumerate(connections):
        got = body_of(connection.written[0])[1]
        assert got.endswith(np.full((1 + at % 2, 3), at, np.float32).tobytes())
        assert f'"shape":[{1 + at % 2},3]'.encode() in got


@pytest.mark.parametrize(
    "document",
    [{}, {"id": "ä", **ALL}, {"id": "a" * 257, **ALL}, {"id": '"', **ALL},
     {"parameters": {"binary_data_output": True, "priority": 3}},
     {"outputs": [{"name": "x_out", "parameters": {"binary_data": True}}]},
     {"outputs": [{"name": name, "parameters": {"binary_data": True}} for name in ("y_out", "x_out")]},
     {"outputs": [{"name": name, "parameters": {"binary_data": name == "x_out"}} for name in ("x_out", "y_out")]},
     {"outputs": [{"name": f"{name}_out", "parameters": {"binary_data": True, "classification": 2}} for name in "xy"]}],
)  # fmt: skip
def test_other_wishes_go_the_ordinary_way(document):
    signature = echo(names="xy")
    text, body = binary_text({name: np.zeros((1, 3), np.float32) for name in "xy"}, **document)
    learned(signature, text, body)
    _, express, seen, _ = made(signature)
    assert Connection(express).send(body, [(b"inference-header-content-length", b"%d" % len(text))])[0] == 0
    assert seen == []


@pytest.mark.parametrize("change", [b"", b"x", b"1234"])
@pytest.mark.parametrize("length", [b"0", b"9999999", b"-1", b"x", b"1", b"9" * 30])
def test_bodies_that_do_not_fit_their_head_go_the_ordinary_way(change, length):
    signature = echo()
    text, body = binary_text({"x": np.zeros((1, 3), np.float32)}, **ALL)
    learned(signature, text, body)
    _, express, seen, _ = made(signature)
    wrong = body[:-1] if not change else body + change
    for header in (length, b"%d" % len(text)):
        assert Connection(express).send(wrong, [(b"inference-header-content-length", header)])[0] == 0
    assert seen == []


def test_a_head_that_was_not_read_before_goes_the_ordinary_way():
    text, body = binary_text({"x": np.zeros((1, 3), np.float32)}, **ALL)
    _, express, seen, _ = made(echo())
    assert Connection(express).send(body, [(b"inference-header-content-length", b"%d" % len(text))])[0] == 0
    assert seen == []


def test_a_binary_answer_is_compressed_where_that_is_accepted():
    signature = echo(shape=(-1, 300))
    array = np.zeros((2, 300), np.float32)
    text, body = binary_text({"x": array}, **ALL)
    learned(signature, text, body)
    _, express, _, _ = made(signature)
    connection = Connection(express)
    headers = [(b"inference-header-content-length", b"%d" % len(text)), (b"accept-encoding", b"gzip")]
    assert connection.send(body, headers)[0]
    (response,) = connection.written
    head, got = body_of(b"".join(response) if isinstance(response, list) else response)
    assert b"content-encoding: gzip" in head
    assert b"inference-header-content-length: " in head
    assert gzip.decompress(got).endswith(array.tobytes())
