"""SavedModel, Keras, TensorFlow Lite and PMML models behind one server: REST, gRPC and TensorFlow Serving's dialect."""

import json

import grpc
import httpx
import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.keras")
pytest.importorskip("modelport.runtimes.tflite.runtime")
pytest.importorskip("modelport.runtimes.pmml.runtime")

import tritonclient.grpc as triton
from sklearn.datasets import load_iris

from modelport.runtimes import catalog
from modelport.wire.tensorflow_serving_messages import message
from running import Running
from runtimes import pmml_models, tflite_models
from runtimes import tensorflow_models as models

ROWS = load_iris().data[::30].astype(np.float32)
TEXTS = ["good day", "bad", "süß"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A version tree with a SavedModel in it, one with a named signature, and files beside them."""
    folder = tmp_path_factory.mktemp("served")
    models.export(folder / "flowers" / "1", models.iris()[0])
    module = models.Recommender()
    models.save(folder / "things" / "3", module, serving_default=module.score, top=module.top)
    (folder / "things" / "modelport.toml").write_text('[runtime]\noptions = {signature = "top"}\n')
    models.keras_file(folder / "words.keras", models.text())
    (folder / "small.tflite").write_bytes(tflite_models.quantized())
    (folder / "species.pmml").write_text(pmml_models.trained("logistic")[0])
    return folder


@pytest.fixture(scope="module")
def server(folder):
    running = Running(folder).wait_ready(120)
    with httpx.Client(base_url=running.url, timeout=60) as client:
        yield running, client
    assert running.stop() == 0, running.output


@pytest.fixture(scope="module")
def loaded(folder):
    """The same models in this process."""
    paths = {
        "flowers": folder / "flowers" / "1",
        "words": folder / "words.keras",
        "small": folder / "small.tflite",
        "species": folder / "species.pmml",
    }
    return {name: catalog.load(path) for name, path in paths.items()}


def inputs_of(name):
    """Some rows for each model."""
    if name in ("flowers", "small"):
        return {"flower": ROWS}
    if name == "words":
        return {"text": np.array([[text.encode()] for text in TEXTS], object)}
    return {field: ROWS[:, at : at + 1].astype(np.float64) for at, field in enumerate(pmml_models.FLOWER)}


@pytest.mark.parametrize("name", ["flowers", "words", "small", "species"])
def test_rest_and_grpc_give_what_the_model_gives(server, loaded, name):
    running, client = server
    model, inputs = loaded[name], inputs_of(name)
    expected = model.predict(inputs)
    tensors, asked = [], []
    for spec in model.signature.inputs:
        array = inputs[spec.name]
        texts = spec.datatype == "BYTES"
        data = [item.decode() for item in array.ravel()] if texts else array.ravel().tolist()
        tensors.append({"name": spec.name, "shape": array.shape, "datatype": spec.datatype, "data": data})
        asked.append(triton.InferInput(spec.name, list(array.shape), spec.datatype).set_data_from_numpy(array))
    body = client.post(f"/v2/models/{name}/infer", content=json.dumps({"inputs": tensors})).json()
    given = {output["name"]: output for output in body["outputs"]}
    with triton.InferenceServerClient(f"127.0.0.1:{running.port}") as other:
        over_grpc = other.infer(name, asked)
    for spec in model.signature.outputs:
        want, rest, there = expected[spec.name], given[spec.name], over_grpc.as_numpy(spec.name)
        assert rest["shape"] == list(want.shape) == list(there.shape)
        if spec.datatype == "BYTES":
            assert rest["data"] == [item.decode() for item in want.ravel()]
            assert there.tolist() == want.tolist()
        else:
            assert np.array(rest["data"], want.dtype).tobytes() == want.tobytes()
            assert there.tobytes() == want.tobytes()


def test_tensorflow_serving_over_rest(server, loaded):
    _, client = server
    reply = client.post("/v1/models/flowers:predict", json={"instances": ROWS.tolist()}).json()
    want = loaded["flowers"].predict({"flower": ROWS})["output_0"]
    assert np.array(reply["predictions"], np.float32).tobytes() == want.tobytes()
    metadata = client.get("/v1/models/flowers/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert metadata["serving_default"]["inputs"]["flower"]["dtype"] == "DT_FLOAT"


def test_tensorflow_serving_over_grpc(server, loaded):
    running, _ = server
    request = message("PredictRequest")()
    request.model_spec.name = "flowers"
    tensor = request.inputs["flower"]
    tensor.dtype = 1
    for size in ROWS.shape:
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = ROWS.tobytes()
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda made: made.SerializeToString(),
            response_deserializer=message("PredictResponse").FromString,
        )
        output = call(request, timeout=30).outputs["output_0"]
    want = loaded["flowers"].predict({"flower": ROWS})["output_0"]
    content = output.tensor_content or np.array(output.float_val, np.float32).tobytes()
    assert content == want.tobytes()


def test_the_signature_that_modelport_toml_chooses(server):
    _, client = server
    body = {"inputs": {"user": ["user 1", "nobody"], "count": 2}}
    outputs = client.post("/v1/models/things/versions/3:predict", json=body).json()["outputs"]
    assert [len(row) for row in outputs["things"]] == [2, 2]
    assert all(name.startswith("thing ") for row in outputs["things"] for name in row)


def test_signatures_by_name_over_rest(server):
    """What TensorFlow Serving's clients say in `signature_name`, whatever modelport.toml chooses."""
    _, client = server
    body = {"signature_name": "serving_default", "inputs": [1, 2]}
    scores = client.post("/v1/models/things:predict", json=body).json()["outputs"]
    assert np.array(scores).shape == (2, 8)
    top = {"signature_name": "top", "inputs": {"user": ["user 1", "user 2"], "count": 1}}
    best = client.post("/v1/models/things:predict", json=top).json()["outputs"]["things"]
    assert best == [[f"thing {np.argmax(row)}"] for row in scores]
    reply = client.post("/v1/models/things:predict", json={"signature_name": "tip", "instances": [1]})
    assert reply.status_code == 400
    assert reply.json()["error"] == (
        "Serving signature key \"tip\" not found. (did you mean 'top'?) Predict has 'serving_default', 'predict', 'top'"
    )
    metadata = client.get("/v1/models/things/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert metadata["serving_default"]["inputs"]["user"]["dtype"] == "DT_INT32"
    assert metadata["top"]["inputs"]["user"]["dtype"] == "DT_STRING"


def test_signatures_by_name_over_grpc(server):
    running, _ = server
    made = [predicted(running, name, user=[0, 3]) for name in ("serving_default", "serving_default", "nothing")]
    assert made[0] == made[1]
    assert [dim.size for dim in made[0].outputs["scores"].tensor_shape.dim] == [2, 8]
    assert made[0].model_spec.signature_name == "serving_default"
    assert made[2].startswith('Serving signature key "nothing" not found.')


def predicted(running, signature, **columns):
    """The PredictResponse of the model `things`, or the text of the refusal."""
    request = message("PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = "things", signature
    for name, values in columns.items():
        request.inputs[name].dtype = 3
        request.inputs[name].tensor_shape.dim.add(size=len(values))
        request.inputs[name].int_val.extend(values)
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        try:
            return channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                request_serializer=lambda made: made.SerializeToString(),
                response_deserializer=message("PredictResponse").FromString,
            )(request, timeout=30)
        except grpc.RpcError as error:
            return error.details()


def test_records_of_a_pmml_model(server):
    _, client = server
    records = [dict(zip(pmml_models.FLOWER, map(float, row), strict=True)) for row in ROWS]
    reply = client.post("/models/species/predict", json=records)
    assert reply.status_code == 200, reply.text
    assert "setosa" in reply.text
    refused = client.post("/models/species/predict", json=[{"sepal_length": "long"}])
    assert refused.status_code == 400
