"""Unmodified clients against a real server: every datatype, JSON and binary, sync and async, bit for bit."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import onnxruntime
import pytest
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

from runtimes.onnx_graphs import ELEMENTS, classifier, values_of
from services import require

DATATYPES = {datatype: element for element, datatype in ELEMENTS.items()}
JSON_DATATYPES = [name for name in DATATYPES if name != "BF16"]  # tritonclient sends BF16 as binary only


def request(datatype, array, binary):
    tensor = tritonclient.http.InferInput("x", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def finite(array):
    """Without NaN payloads, which JSON has no way to write."""
    return np.nan_to_num(array) if array.dtype.kind == "f" else array


def assert_same_bits(got, sent):
    assert got.shape == sent.shape
    if sent.dtype == object:
        assert [x if isinstance(x, bytes) else x.encode() for x in got.ravel()] == list(sent.ravel())
    else:
        assert got.astype(sent.dtype).tobytes() == sent.tobytes()


@pytest.fixture(scope="module")
def client(server):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.port}") as made:
        yield made


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [(3, 2), (1, 1), (0, 4)])
def test_binary(client, datatype, shape):
    array = values_of(DATATYPES[datatype], shape)
    result = client.infer(f"identity_{datatype}", [request(datatype, array, True)])
    assert_same_bits(result.as_numpy("y"), array)


@pytest.mark.parametrize("datatype", JSON_DATATYPES)
def test_json(client, datatype):
    array = finite(values_of(DATATYPES[datatype], (3, 2)))
    output = tritonclient.http.InferRequestedOutput("y", binary_data=False)
    result = client.infer(f"identity_{datatype}", [request(datatype, array, False)], outputs=[output])
    assert result.get_output("y")["data"] is not None
    assert_same_bits(result.as_numpy("y"), array)


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_json_carries_nan_and_infinities(client, datatype):
    array = np.array([[np.nan, np.inf, -np.inf, 1.5]]).astype({"FP16": "f2", "FP32": "f4", "FP64": "f8"}[datatype])
    output = tritonclient.http.InferRequestedOutput("y", binary_data=False)
    result = client.infer(f"identity_{datatype}", [request(datatype, array, False)], outputs=[output])
    np.testing.assert_array_equal(result.as_numpy("y"), array)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client, algorithm):
    array = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    result = client.infer(
        "identity_FP32",
        [request("FP32", array, True)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert_same_bits(result.as_numpy("y"), array)


@pytest.mark.parametrize("binary", [True, False])
async def test_aio(server, binary):
    array = values_of(DATATYPES["INT64"], (5, 3))
    async with tritonclient.http.aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert await client.is_server_ready()
        result = await client.infer("identity_INT64", [request("INT64", array, binary)])
    assert_same_bits(result.as_numpy("y"), array)


def test_a_classifier_gives_what_onnx_runtime_gives(client):
    file, rows = classifier("text", zipmap=False)
    session = onnxruntime.InferenceSession(file)
    label, probabilities = session.run(None, {"X": rows})
    tensor = tritonclient.http.InferInput("X", list(rows.shape), "FP32").set_data_from_numpy(rows)
    result = client.infer("iris", [tensor])
    assert [item.decode() for item in result.as_numpy("label")] == label.tolist()
    assert_same_bits(result.as_numpy("probabilities"), probabilities)


def test_only_the_outputs_asked_for(client):
    rows = classifier("text", zipmap=False)[1]
    tensor = tritonclient.http.InferInput("X", list(rows.shape), "FP32").set_data_from_numpy(rows)
    output = tritonclient.http.InferRequestedOutput("probabilities")
    result = client.infer("iris", [tensor], outputs=[output], request_id="my id", model_version="1")
    response = result.get_response()
    assert [item["name"] for item in response["outputs"]] == ["probabilities"]
    assert (response["id"], response["model_name"], response["model_version"]) == ("my id", "iris", "1")


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")
    assert not client.is_model_ready("iris", "2")
    assert not client.is_model_ready("irs")
    server = client.get_server_metadata()
    assert (server["name"], "binary_tensor_data" in server["extensions"]) == ("modelport", True)
    model = client.get_model_metadata("iris")
    assert (model["name"], model["versions"], model["platform"]) == ("iris", ["1"], "onnx_onnxv1")
    described = {key: model["inputs"][0][key] for key in ("name", "datatype", "shape")}
    assert described == {"name": "X", "datatype": "FP32", "shape": [-1, 4]}


def test_errors_reach_the_client_with_their_text(client):
    array = np.zeros((1, 4), np.float32)
    tensor = tritonclient.http.InferInput("X", [1, 4], "FP32").set_data_from_numpy(array)
    with pytest.raises(
        InferenceServerException, match=r"no model 'irsi' is served \(did you mean 'iris'\?\)"
    ) as caught:
        client.infer("irsi", [tensor])
    assert caught.value.status() == "404"
    wrong = tritonclient.http.InferInput("X", [1, 5], "FP32").set_data_from_numpy(np.zeros((1, 5), np.float32))
    with pytest.raises(InferenceServerException, match=r"input 'X' has shape \[1, 5\].*X FP32 \[-1, 4\]"):
        client.infer("iris", [wrong])


@pytest.mark.parametrize("datatype", DATATYPES)
def test_curl_sends_and_reads_every_datatype_as_json(server, datatype):
    """BF16 and FP16 too, which other servers take as binary only."""
    values = {"BOOL": [True, False], "BYTES": ["plain", "ünïcødé ✓"]}.get(datatype, [1, 100])
    tensor = {"name": "x", "shape": [1, 2], "datatype": datatype, "data": values}
    command = [require("curl", "curl"), "-sS", "--fail-with-body", "--noproxy", "*"]
    command += [f"{server.url}/v2/models/identity_{datatype}/infer", "-d", json.dumps({"inputs": [tensor]})]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    [output] = json.loads(done.stdout)["outputs"]
    assert (output["datatype"], output["shape"], output["data"]) == (datatype, [1, 2], values)


def test_curl_with_gzip_and_an_upgrade_to_http2(server, tmp_path):
    curl = require("curl", "curl")
    body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
    for options in ([], ["--http2"], ["--http1.0"], ["-H", "Expect: 100-continue"], ["--compressed"]):
        done = subprocess.run(
            [curl, "-sS", "--fail-with-body", *options, f"{server.url}/v2/models/identity_FP32/infer", "-d", body],
            capture_output=True,
            text=True,
            check=True,
        )
        assert '"data":[1.5,2.5]' in done.stdout, options
