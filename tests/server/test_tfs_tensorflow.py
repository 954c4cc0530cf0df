"""What tutorials print, run as it is: TensorFlow and tensorflow-serving-api's stubs against our server.

TensorFlow is large, so these tests are for machines that have it: `make frameworks` installs both.
"""

import os
import warnings

import grpc
import ml_dtypes
import numpy as np
import pytest
from tfs_rig import TfsServer

from runtimes import onnx_graphs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed: make frameworks")
    pytest.importorskip("tensorflow_serving.apis", reason="tensorflow-serving-api is not installed: make frameworks")
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        inference_pb2,
        model_management_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
        regression_pb2,
    )

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)
DTYPES = {
    "FP32": "float32", "FP64": "float64", "FP16": "float16", "BF16": "bfloat16", "INT8": "int8", "INT16": "int16",
    "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "BOOL": "bool", "BYTES": "string",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(model_folder):
    running = TfsServer(model_folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def test_the_snippet_of_the_tutorials(server, model_folder):
    data = ROWS
    channel = grpc.insecure_channel(f"localhost:{server.port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "iris"
    request.model_spec.signature_name = "serving_default"
    request.inputs["X"].CopyFrom(tf.make_tensor_proto(data, shape=data.shape))
    result = stub.Predict(request, 10.0)
    scores = tf.make_ndarray(result.outputs["probabilities"])
    assert np.array_equal(scores, onnx_graphs.direct(model_folder / "iris.onnx", {"X": ROWS})["probabilities"])
    assert np.allclose(result.outputs["probabilities"].float_val, scores.ravel())
    assert tf.make_ndarray(result.outputs["label"]).tolist() == [b"setosa", b"virginica"]
    later = stub.Predict.future(request, 10.0)
    assert later.result().model_spec.version.value == 1
    channel.close()


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 700), (0, 4)])
def test_tensors_there_and_back(stub, datatype, shape):
    dtype = tf.dtypes.as_dtype(DTYPES[datatype])
    element = next(element for element, name in onnx_graphs.ELEMENTS.items() if name == datatype)
    array = onnx_graphs.values_of(element, shape)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = f"identity_{datatype}"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(array.tolist() if datatype == "BYTES" else array, dtype, shape))
    given = tf.make_ndarray(request.inputs["x"])
    back = tf.make_ndarray(stub.Predict(request, 10.0).outputs["y"])
    assert (back.dtype, back.shape) == (given.dtype, given.shape)
    if datatype in ("FP16", "BF16", "FP32", "FP64"):  # TensorFlow's own way through Python floats changes NaN's bits
        assert np.array_equal(back.astype(float), given.astype(float), equal_nan=True)
    else:
        assert back.tolist() == given.tolist()


@pytest.mark.parametrize("datatype", DTYPES)
def test_one_value_fills_a_shape(stub, datatype):
    dtype = tf.dtypes.as_dtype(DTYPES[datatype])
    request = predict_pb2.PredictRequest()
    request.model_spec.name = f"identity_{datatype}"
    value = {"BYTES": b"ab", "BOOL": True, "BF16": ml_dtypes.bfloat16(1.5)}.get(datatype, 3)
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(value, dtype, (2, 3)))
    back = tf.make_ndarray(stub.Predict(request, 10.0).outputs["y"])
    assert back.tolist() == tf.make_ndarray(request.inputs["x"]).tolist()
    assert back.shape == (2, 3)


def examples_of(rows):
    features = [tf.train.Feature(float_list=tf.train.FloatList(value=row)) for row in rows.tolist()]
    return [tf.train.Example(features=tf.train.Features(feature={"X": feature})) for feature in features]


def test_classify_regress_and_multi_inference(stub):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "iris"
    request.input.example_list.examples.extend(examples_of(ROWS))
    classes = stub.Classify(request, 10.0).result.classifications
    best = [max(item.classes, key=lambda one: one.score).label for item in classes]
    assert best == ["setosa", "virginica"]

    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "diabetes"
    request.input.example_list.examples.extend(examples_of(onnx_graphs.regressor()[1]))
    assert len(stub.Regress(request, 10.0).result.regressions) == 3

    request = inference_pb2.MultiInferenceRequest()
    task = request.tasks.add(method_name="tensorflow/serving/classify")
    task.model_spec.name = "iris"
    request.input.example_list.examples.extend(examples_of(ROWS))
    assert stub.MultiInference(request, 10.0).results[0].classification_result.classifications == classes


def test_metadata_and_status(stub, channel):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "iris"
    request.metadata_field.append("signature_def")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request, 10.0).metadata["signature_def"].Unpack(signatures)
    info = signatures.signature_def["serving_default"].inputs["X"]
    assert tf.dtypes.as_dtype(info.dtype) == tf.float32
    assert tf.TensorShape(info.tensor_shape).as_list() == [None, 4]

    models = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "iris"
    (status,) = models.GetModelStatus(request, 10.0).model_version_status
    assert status.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    request = model_management_pb2.ReloadConfigRequest()
    with pytest.raises(grpc.RpcError) as caught:
        models.HandleReloadConfigRequest(request, 10.0)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
