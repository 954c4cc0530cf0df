"""gRPC as the second binary dialect: messages against tritonclient's own, and calls to the real server."""

import asyncio
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
import tritonclient.grpc as triton
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from modelport.client import AsyncClient, Client
from modelport.client.failures import CLASSES, GRPC_KINDS, grpc_error
from modelport.client.grpc_inference import infer_message, infer_reply
from modelport.core.datatypes import DTYPES, datatype_of
from modelport.core.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidInputError,
    Kind,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from modelport.wire.grpc import STATUS


def any_bits(datatype, shape, seed=0):
    """An array of every kind of bits: NaNs of all sorts among floats."""
    random = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if datatype == "BYTES":
        array = np.empty(count, np.object_)
        array[:] = [random.bytes(length) for length in random.integers(0, 9, count)]
        return array.reshape(shape)
    if datatype == "BOOL":
        return random.integers(0, 2, shape).astype(bool)
    dtype = DTYPES[datatype]
    return np.frombuffer(random.bytes(count * dtype.itemsize), dtype).reshape(shape)


def same(left, right):
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    if left.dtype == np.object_:
        assert left.tolist() == right.tolist()
    else:
        assert left.tobytes() == right.tobytes()


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_a_request_is_as_tritonclient_writes_it(datatype):
    arrays = {"X": any_bits(datatype, (2, 3)), "": any_bits("FP32", (0, 2))}
    data = infer_message("m", "3", arrays, ["a", "b"], "id-1", {"n": 1, "t": "x", "b": True, "f": 0.5})
    inputs = []
    for name, array in arrays.items():
        inputs.append(triton.InferInput(name, list(array.shape), datatype_of(array)))
        inputs[-1].set_data_from_numpy(array)
    outputs = [triton.InferRequestedOutput(name) for name in ("a", "b")]
    from tritonclient.grpc._utils import _get_inference_request

    options = {"sequence_id": 0, "sequence_start": False, "sequence_end": False, "priority": 0, "timeout": None}
    parameters = {"n": 1, "t": "x", "b": True}
    wanted = _get_inference_request("m", inputs, "3", "id-1", outputs, parameters=parameters, **options)
    read = service_pb2.ModelInferRequest.FromString(data)
    assert read.parameters.pop("f").double_param == 0.5
    assert read == wanted


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(DTYPES)), st.lists(st.integers(0, 3), max_size=3)), max_size=3),
    st.sampled_from(["", "id"]),
    st.integers(0, 2**32),
)
def test_replies_as_protobuf_writes_them(tensors, reply_id, seed):
    reply = service_pb2.ModelInferResponse(model_name="m", model_version="2", id=reply_id)
    arrays = {f"y{n}": any_bits(datatype, shape, seed + n) for n, (datatype, shape) in enumerate(tensors)}
    for name, array in arrays.items():
        reply.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        tensor = triton.InferInput(name, list(array.shape), datatype_of(array))
        tensor.set_data_from_numpy(array)
        reply.raw_output_contents.append(tensor._raw_content or b"")
    data = reply.SerializeToString()
    for _ in range(2):  # the second time it is a known one
        result = infer_reply(data)
        assert (result.model, result.version, result.id, list(result)) == ("m", "2", reply_id, list(arrays))
        for name, array in arrays.items():
            same(result[name], array)
            assert result[name].flags.writeable


def test_typed_contents():
    reply = service_pb2.ModelInferResponse(model_name="m")
    reply.outputs.add(name="a", datatype="INT8", shape=[2]).contents.int_contents.extend([1, -2])
    reply.outputs.add(name="b", datatype="FP32", shape=[1, 1]).contents.fp32_contents.append(0.5)
    reply.outputs.add(name="c", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"\xff")
    result = infer_reply(reply.SerializeToString())
    same(result["a"], np.array([1, -2], np.int8))
    same(result["b"], np.array([[0.5]], np.float32))
    assert result["c"].tolist() == [b"\xff"]
    assert result["b"].flags.writeable


def test_replies_of_one_length_that_say_different_things():
    def reply(name, raw):
        made = service_pb2.ModelInferResponse(model_name=name)
        made.outputs.add(name="y", datatype="INT32", shape=[1])
        made.raw_output_contents.append(raw)
        return made.SerializeToString()

    for _ in range(2):
        for number, name in enumerate("abc"):
            result = infer_reply(reply(name, number.to_bytes(4, "little")))
            assert (result.model, result["y"].tolist()) == (name, [number])


@pytest.mark.parametrize(
    ("values", "raws", "says"),
    [
        ({"datatype": "FP99", "shape": [1]}, [b"1234"], "FP99"),
        ({"datatype": "FP32", "shape": [-1]}, [b"1234"], "shape"),
        ({"datatype": "FP32", "shape": [2]}, [b"1234"], "needs 8"),
        ({"datatype": "FP32", "shape": [1]}, [b"1234", b"1234"], "2 raw"),
        ({"datatype": "FP32", "shape": [1]}, [], "contents"),
        ({"datatype": "BYTES", "shape": [1]}, [b"1234"], "left"),
    ],
)
def test_replies_that_are_none(values, raws, says):
    reply = service_pb2.ModelInferResponse(outputs=[{"name": "y", **values}], raw_output_contents=raws)
    with pytest.raises(InternalError, match=says):
        infer_reply(reply.SerializeToString())


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_the_servers_fault(data):
    with suppress(InternalError):
        infer_reply(data)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_comes_back(kind):
    assert grpc_error(STATUS[kind], "why", str(kind)).kind == kind
    by_code = grpc_error(STATUS[kind], "why")
    assert STATUS[by_code.kind] == STATUS[kind]
    assert str(by_code) == "why"
    assert set(GRPC_KINDS.values()) <= set(CLASSES)


@pytest.mark.parametrize("dialect", ["binary", "grpc"])
@pytest.mark.parametrize("datatype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(3, 5), (0, 2), (300, 300)])
def test_every_datatype_bit_for_bit(server, make, dialect, datatype, shape):
    array = any_bits(datatype, shape)
    if datatype == "BYTES":  # ONNX's strings are UTF-8, without zeros
        texts = [item.hex().replace("7", "ü").encode() for item in array.ravel()]
        array = np.array([*texts, None], np.object_)[:-1].reshape(shape)
    with make(server.url, dialect=dialect) as client:
        for _ in range(2):
            result = next(iter(client.infer(f"identity_{datatype}", array).values()))
            same(result, array)
            assert result.flags.writeable


def test_ids_outputs_parameters_and_versions(server, make):
    with make(server.url, dialect="grpc") as client:
        rows = np.ones((2, 4), np.float32)
        names = list(client.infer("iris", rows))
        result = client.infer("iris", rows, id="r-1", outputs=names[:1], version=1, parameters={"p": 1})
        assert (result.id, list(result), result.version) == ("r-1", names[:1], "1")
        with Client(server.url, dialect="binary") as other:
            same(other.infer("iris", rows)[names[0]], result[names[0]])


def test_errors_have_the_kinds_of_http(server, make):
    with make(server.url, dialect="grpc") as client:
        with pytest.raises(NotFoundError, match="did you mean 'iris'"):
            client.infer("irs", {"X": [[1.0]]})
        with pytest.raises(InvalidInputError, match="shape"):
            client.infer("iris", np.ones((1, 9), np.float32))
        with pytest.raises(InvalidInputError, match="unknown input"):
            client.infer("iris", {"Z": [[1.0]]})


def test_status_over_grpc(server, make):
    with make(server.url, dialect="grpc") as client, Client(server.url, dialect="binary") as http:
        assert client.live() is client.ready() is client.model_ready("iris") is True
        assert client.model_ready("nobody") is False
        assert client.server_metadata() == http.server_metadata()
        ours, theirs = client.signature("iris"), http.signature("iris")
        assert [spec.describe() for spec in ours.inputs] == [spec.describe() for spec in theirs.inputs]
        assert {item["name"] for item in client.models()} == {item["name"] for item in http.models()}
        assert client.predict("iris", [[1, 2, 3, 4]]) == http.predict("iris", [[1, 2, 3, 4]])


def test_a_request_over_the_servers_limit(run_server, model_folder, make):
    limit = {"MODELPORT_HTTP2_MAX_MESSAGE_SIZE": "100000"}
    running = run_server(model_folder / "iris.onnx", env=limit).wait_ready()
    with make(running.url, dialect="grpc") as client:
        for _ in range(2):
            with pytest.raises(OverloadedError, match="100000"):  # gRPC's own status, which names no kind
                client.infer("iris", np.zeros((200_000, 4), np.float32))
            client.infer("iris", np.zeros((1, 4), np.float32))


@pytest.fixture
def silent_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_nobody_there(make):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with make(f"http://127.0.0.1:{port}", dialect="grpc", retries=0) as client:
            assert client.live() is False
            with pytest.raises(UnavailableError, match=r"no server answers.*connection refused"):
                client.infer("m", {"X": [1]})


def test_a_server_that_hangs(make, silent_port):
    url = f"http://127.0.0.1:{silent_port}"
    late = pytest.raises(DeadlineExceededError, match=r"0\.3 s")
    with make(url, dialect="grpc", timeout=0.3, retries=0) as client, late:
        client.server_metadata()


def test_headers_go_as_metadata():
    from modelport.client.address import parse_address
    from modelport.client.grpc_channel import GrpcChannel

    channel = GrpcChannel(parse_address("http://u:p@host"), {"X-Tenant": "a", "User-Agent": "b"}, 1, None)
    assert dict(channel._metadata) == {"x-tenant": "a", "authorization": "Basic dTpw"}
    channel.close()


def test_many_threads(server):
    with Client(server.url, dialect="grpc") as client, ThreadPoolExecutor(8) as threads:
        arrays = [np.full((1, 4), number, np.float32) for number in range(100)]
        for array, result in zip(
            arrays, threads.map(lambda array: client.infer("identity_FP32", array), arrays), strict=True
        ):
            same(next(iter(result.values())), array)


async def test_many_tasks(server):
    async with AsyncClient(server.url, dialect="grpc") as client:
        arrays = [np.full((1, 4), number, np.float32) for number in range(100)]
        results = await asyncio.gather(*(client.infer("identity_FP32", array) for array in arrays))
    for array, result in zip(arrays, results, strict=True):
        same(next(iter(result.values())), array)


def test_grpcio_is_imported_by_nobody_else(server):
    code = (
        "import sys, modelport.client as c\n"
        f"for d in ('auto', 'binary', 'json'):\n with c.Client({server.url!r}, dialect=d) as client:\n"
        "  client.infer('iris', [[1.0, 2, 3, 4]])\n"
        "print('grpc' in sys.modules, 'google.protobuf' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
