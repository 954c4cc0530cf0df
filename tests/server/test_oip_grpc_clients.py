"""tritonclient's gRPC client, unmodified, against a real server: every datatype bit for bit, streams, large tensors."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys

import grpc
import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from runtimes.onnx_graphs import ELEMENTS, as_bytes, classifier, direct, identity, values_of

DATATYPES = {datatype: element for element, datatype in ELEMENTS.items()}


def tensor(name, datatype, array):
    made = triton.InferInput(name, list(array.shape), datatype)
    return made.set_data_from_numpy(array)


def assert_same_bits(got, sent):
    assert got.shape == sent.shape
    if sent.dtype == object:
        assert list(got.ravel()) == list(sent.ravel())
    else:
        assert got.astype(sent.dtype).tobytes() == sent.tobytes()


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as made:
        yield made


@pytest.fixture(scope="module")
def stub(server):
    unbounded = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=unbounded) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [(3, 2), (1, 1), (0, 4)])
def test_every_datatype(client, model_folder, datatype, shape):
    array = values_of(DATATYPES[datatype], shape)
    for _ in range(3):  # the second time a request takes the quick way
        result = client.infer(f"identity_{datatype}", [tensor("x", datatype, array)])
        assert_same_bits(result.as_numpy("y"), array)
    if datatype not in ("BYTES", "BF16"):
        assert_same_bits(result.as_numpy("y"), direct(model_folder / f"identity_{datatype}.onnx", {"x": array})["y"])


def test_a_classifier_gives_what_onnx_runtime_gives(client):
    file, rows = classifier("text", zipmap=False)
    label, probabilities = onnxruntime.InferenceSession(file).run(None, {"X": rows})
    result = client.infer("iris", [tensor("X", "FP32", rows)], model_version="1", request_id="my id")
    assert_same_bits(result.as_numpy("label"), as_bytes(label))
    assert_same_bits(result.as_numpy("probabilities"), probabilities)
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("iris", "1", "my id")


def test_only_the_outputs_asked_for_and_their_best_classes(client):
    rows = classifier("text", zipmap=False)[1]
    session = onnxruntime.InferenceSession(classifier("text", zipmap=False)[0])
    scores = session.run(["probabilities"], {"X": rows})[0]
    output = triton.InferRequestedOutput("probabilities", class_count=2)
    result = client.infer("iris", [tensor("X", "FP32", rows)], outputs=[output])
    assert [item.name for item in result.get_response().outputs] == ["probabilities"]
    found = result.as_numpy("probabilities")
    assert found.shape == (3, 2)
    for row, texts in zip(scores, found, strict=True):
        best = np.argsort(-row)[:2]
        assert [text.decode().split(":")[:2] for text in texts] == [[f"{row[i]:f}", str(i)] for i in best]


def test_typed_contents(stub):
    request = service_pb2.ModelInferRequest(model_name="identity_INT64")
    request.inputs.add(name="x", datatype="INT64", shape=[1, 3]).contents.int64_contents.extend([1, -2, 2**62])
    response = stub.ModelInfer(request)
    assert np.frombuffer(response.raw_output_contents[0], np.int64).tolist() == [1, -2, 2**62]


def test_many_at_once_each_get_their_own_answer(client):
    waiting: queue.Queue = queue.Queue()
    arrays = [np.full((1 + at % 3, 5), at, np.float32) for at in range(300)]
    for at, array in enumerate(arrays):
        request_id = str(at)
        client.async_infer(
            "identity_FP32",
            [tensor("x", "FP32", array)],
            callback=lambda result, error: waiting.put((result, error)),
            request_id=request_id,
        )
    for _ in arrays:
        result, error = waiting.get(timeout=20)
        assert error is None
        assert_same_bits(result.as_numpy("y"), arrays[int(result.get_response().id)])


@pytest.mark.parametrize("megabytes", [1, 16, 64])
def test_large_tensors(stub, megabytes):
    array = np.random.default_rng(0).random((1, megabytes << 18), np.float32)
    request = service_pb2.ModelInferRequest(model_name="identity_FP32")
    request.inputs.add(name="x", datatype="FP32", shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    response = stub.ModelInfer(request)
    assert response.raw_output_contents[0] == array.tobytes()


async def test_aio(server):
    async with tritonclient.grpc.aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert await client.is_server_ready()
        arrays = [np.full((2, 2), at, np.int32) for at in range(50)]
        calls = [client.infer("identity_INT32", [tensor("x", "INT32", array)]) for array in arrays]
        for array, result in zip(arrays, await asyncio.gather(*calls), strict=True):
            assert_same_bits(result.as_numpy("y"), array)


async def test_aio_stream(server):
    async def requests():
        for at in range(20):
            array = np.full((1, 2), at, np.float32)
            yield {"model_name": "identity_FP32", "inputs": [tensor("x", "FP32", array)], "request_id": str(at)}

    async with tritonclient.grpc.aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        seen = []
        async for result, error in client.stream_infer(requests()):
            assert error is None
            seen.append(int(result.as_numpy("y")[0, 0]))
    assert seen == list(range(20))


def test_stream_keeps_the_order_and_goes_on_after_an_error(server):
    answers: queue.Queue = queue.Queue()
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for at in range(100):
            array = np.full((1, 3), at, np.float32)
            name = "no_such_model" if at == 50 else "identity_FP32"
            client.async_stream_infer(name, [tensor("x", "FP32", array)], request_id=str(at))
        for at in range(100):
            result, error = answers.get(timeout=20)
            if at == 50:
                assert "no model 'no_such_model' is served" in str(error)
                continue
            assert result.get_response().id == str(at)
            assert result.as_numpy("y")[0, 0] == at
        client.stop_stream()


def test_stream_says_which_answer_is_final_and_whose_error_it_is(stub):
    good = service_pb2.ModelInferRequest(model_name="identity_FP32", id="good")
    good.parameters["triton_enable_empty_final_response"].bool_param = True
    good.inputs.add(name="x", datatype="FP32", shape=[1, 1]).contents.fp32_contents.append(1)
    bad = service_pb2.ModelInferRequest(model_name="identity_FP32", id="bad")
    first, second = stub.ModelStreamInfer(iter([good, bad]))
    assert first.infer_response.parameters["triton_final_response"].bool_param
    assert not first.error_message
    assert second.error_message == "missing input 'x': the request lacks x FP32 [-1, -1]"
    assert second.infer_response.id == "bad"


def test_a_stream_that_is_cancelled_leaves_the_server_well(server, client):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as other:
        other.start_stream(callback=lambda result, error: None)
        for _ in range(50):
            other.async_stream_infer("identity_FP32", [tensor("x", "FP32", np.ones((100, 100), np.float32))])
        other.stop_stream(cancel_requests=True)
    assert client.is_server_ready()


def test_a_slow_reader_of_a_stream_holds_its_own_requests_back(stub):
    """More answers than fit into the windows and the queue: none is lost, and they come in order."""
    request = service_pb2.ModelInferRequest(model_name="identity_FP32")
    array = np.arange(1 << 18, dtype=np.float32).reshape(1, -1)
    request.inputs.add(name="x", datatype="FP32", shape=array.shape)
    request.raw_input_contents.append(array.tobytes())
    answers = stub.ModelStreamInfer(iter([request] * 40))
    for count, answer in enumerate(answers):  # noqa: B007 - counted
        assert answer.infer_response.raw_output_contents[0] == request.raw_input_contents[0]
    assert count == 39


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")
    assert not client.is_model_ready("iris", "2")
    assert not client.is_model_ready("irs")
    server = client.get_server_metadata()
    assert (server.name, "statistics" in server.extensions) == ("modelport", True)
    model = client.get_model_metadata("iris")
    assert (model.name, list(model.versions), model.platform) == ("iris", ["1"], "onnx_onnxv1")
    assert (model.inputs[0].name, model.inputs[0].datatype, list(model.inputs[0].shape)) == ("X", "FP32", [-1, 4])


def test_errors_have_the_rest_texts_and_a_status(client):
    rows = np.zeros((1, 5), np.float32)
    with pytest.raises(
        InferenceServerException, match=r"no model 'irsi' is served \(did you mean 'iris'\?\)"
    ) as caught:
        client.infer("irsi", [tensor("X", "FP32", rows)])
    assert caught.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match=r"input 'X' has shape \[1, 5\].*X FP32 \[-1, 4\]") as caught:
        client.infer("iris", [tensor("X", "FP32", rows)])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    with pytest.raises(InferenceServerException, match="'x' is not a version"):
        client.get_model_metadata("iris", "x")


def test_requests_are_counted_in_the_metrics(server, client):
    client.infer("identity_UINT8", [tensor("x", "UINT8", np.ones((2, 2), np.uint8))])
    import httpx

    text = httpx.get(f"{server.url}/metrics").text
    assert 'modelport_requests_total{dialect="open_inference_grpc",model="identity_UINT8",version="1"}' in text
    assert 'modelport_executions_total{model="identity_UINT8",version="1"}' in text


@pytest.mark.parametrize("order", [("tritonclient.grpc", "modelport"), ("modelport", "tritonclient.grpc")])
def test_a_process_may_import_tritonclient_and_modelport(order):
    """Both have messages of the same full names, ours in a descriptor pool of its own."""
    modules = {
        "modelport": "import modelport.server.grpc.open_inference",
        "tritonclient.grpc": "import tritonclient.grpc.service_pb2",
    }
    script = [*(modules[name] for name in order)]
    script += [
        "from modelport.wire.open_inference_grpc_messages import message",
        "from tritonclient.grpc import service_pb2 as official",
        "ours = message('ModelInferRequest')",
        "assert ours is not official.ModelInferRequest",
        "made = ours(model_name='m', raw_input_contents=[b'x']).SerializeToString()",
        "assert official.ModelInferRequest.FromString(made).model_name == 'm'",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(script)], check=True)


def test_several_inputs_in_one_model(run_server, tmp_path):
    from onnx import TensorProto

    from runtimes.onnx_graphs import model, node
    from runtimes.onnx_graphs import tensor as value

    inputs = [value(name, TensorProto.FLOAT, ["n", 2]) for name in ("a", "b")]
    made = model([node("Sub", ["a", "b"], ["c"])], inputs, [value("c", TensorProto.FLOAT, ["n", 2])])
    (tmp_path / "sub.onnx").write_bytes(made.SerializeToString())
    server = run_server(tmp_path / "sub.onnx").wait_ready()
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        for rows in (1, 2, 2, 3, 3, 3):
            a, b = np.random.default_rng(rows).random((2, rows, 2), np.float32)
            result = client.infer("sub", [tensor("b", "FP32", b), tensor("a", "FP32", a)])
            assert_same_bits(result.as_numpy("c"), a - b)


def test_a_dear_model_answers_from_its_thread(run_server, tmp_path):
    (tmp_path / "m.onnx").write_bytes(identity(shape=("n", "m")).SerializeToString())
    server = run_server(tmp_path / "m.onnx", env={"MODELPORT_INLINE_MS": "0"}).wait_ready()
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        for at in range(5):
            array = np.full((2, 2), at, np.float32)
            assert_same_bits(client.infer("m", [tensor("x", "FP32", array)]).as_numpy("y"), array)
        assert client.get_inference_statistics("m").model_stats[0].execution_count == 5
