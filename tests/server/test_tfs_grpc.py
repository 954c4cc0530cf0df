"""TensorFlow Serving's gRPC services over a real connection, called with grpcio."""

import threading

import grpc
import numpy as np
import pytest
from tfs_rig import TfsServer, predict_request, refusal, set_example

from modelport.core.meaning import Column, Tabular
from modelport.wire.tensorflow_serving_messages import message
from runtimes import onnx_graphs

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], np.float32)
IRIS = (1, (2, 4), "float_val", ROWS.ravel().tolist())
T = onnx_graphs.T


@pytest.fixture(scope="module")
def server(model_folder):
    running = TfsServer(model_folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stub(server):
    return server.stub


def test_predict_answers_in_typed_fields_with_the_spec(stub, model_folder):
    answer = stub.Predict(predict_request(X=IRIS))
    direct = onnx_graphs.direct(model_folder / "iris.onnx", {"X": ROWS})
    scores = answer.outputs["probabilities"]
    assert np.array_equal(np.array(scores.float_val, np.float32), direct["probabilities"].ravel())
    assert [dim.size for dim in scores.tensor_shape.dim] == [2, 3]
    assert not scores.tensor_content
    assert list(answer.outputs["label"].string_val) == [b"setosa", b"virginica"]
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("iris", 1, "serving_default")


@pytest.mark.parametrize("signature_name", ["", "serving_default", "predict"])
def test_predict_takes_the_usual_signature_names(stub, signature_name):
    request = predict_request(X=IRIS)
    request.model_spec.signature_name = signature_name
    assert stub.Predict(request).model_spec.signature_name == (signature_name or "serving_default")


def test_predict_with_tensor_content_a_version_and_an_output_filter(stub):
    request = predict_request(X=(1, (2, 4), "tensor_content", ROWS.tobytes()))
    request.model_spec.version.value = 1
    request.output_filter.append("label")
    answer = stub.Predict(request)
    assert set(answer.outputs) == {"label"}


def test_predict_refuses_in_tensorflow_servings_words(stub):
    def refused(**changes):
        request = predict_request(changes.pop("model", "iris"), **changes.pop("inputs", {"X": IRIS}))
        for name, value in changes.items():
            if name == "version":
                request.model_spec.version.value = value
            elif name == "output_filter":
                request.output_filter.extend(value)
            else:
                setattr(request.model_spec, name, value)
        return refusal(stub.Predict, request)

    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    cases = [
        (refused(model="irsi"), missing, "Servable not found for request: Latest(irsi)", "did you mean 'iris'"),
        (refused(version=7), missing, "Servable not found for request: Specific(iris, 7)", "ready are: 1"),
        (refused(version_label="stable"), invalid, "Unrecognized servable version label: stable", ""),
        (refused(model=""), invalid, "ModelSpec has no name specified", ""),
        (refused(signature_name="servng_default"), grpc.StatusCode.FAILED_PRECONDITION, "not found", "did you mean"),
        (refused(inputs={"x": IRIS}), invalid, "Sent extra: {x}. Missing but required: {X}.", "did you mean 'X'"),
        (refused(inputs={}), invalid, "input size does not match signature: 0!=1", "Missing but required: {X}"),
        (refused(output_filter=["labl"]), invalid, "output tensor alias not found in signature: labl", "'label'"),
        (refused(output_filter=["label", "label"]), invalid, "duplicate output tensor alias: label", ""),
        (refused(inputs={"X": (2, (1, 4), "double_val", [1.0] * 4)}), invalid, "dtype DT_DOUBLE", "X DT_FLOAT [-1, 4]"),
        (refused(inputs={"X": (1, (1, 3), "float_val", [1.0] * 3)}), invalid, "shape [1, 3]", "X DT_FLOAT [-1, 4]"),
    ]
    for (code, text), wanted, part, more in cases:
        assert code is wanted, text
        assert part in text
        assert more in text


def test_predict_without_a_model_spec(stub):
    assert refusal(stub.Predict, message("PredictRequest")()) == (grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")


def test_bytes_that_are_no_message_are_an_invalid_argument(server):
    call = server.stub.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_large_tensors_come_back_whole(stub):
    big = np.random.default_rng(0).random((4, 1_000_000), np.float32)
    answer = stub.Predict(predict_request("identity_FP32", x=(1, big.shape, "tensor_content", big.tobytes())))
    assert np.array_equal(np.array(answer.outputs["y"].float_val, np.float32), big.ravel())


def test_requests_in_one_batch_get_their_own_rows(stub):
    """Many at once: the engine joins them, and each answer is cut out of the batch."""
    rows = [ROWS[:1] + np.float32(index / 100) for index in range(60)]
    request = [predict_request(X=(1, (1, 4), "tensor_content", row.tobytes())) for row in rows]
    alone = [stub.Predict(item).SerializeToString(deterministic=True) for item in request]
    answers = [None] * len(request)

    def ask(index):
        answers[index] = stub.Predict(request[index]).SerializeToString(deterministic=True)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(request))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, answers, strict=True):
        first, second = message("PredictResponse").FromString(one), message("PredictResponse").FromString(other)
        assert list(first.outputs["label"].string_val) == list(second.outputs["label"].string_val)
        assert np.allclose(first.outputs["probabilities"].float_val, second.outputs["probabilities"].float_val)


def test_classify_gives_each_examples_classes_and_scores(stub, model_folder):
    request = message("ClassificationRequest")()
    request.model_spec.name = "iris"
    for row in ROWS:
        set_example(request.input.example_list.examples.add(), X=row.tolist())
    answer = stub.Classify(request)
    scores = onnx_graphs.direct(model_folder / "iris.onnx", {"X": ROWS})["probabilities"]
    for classes, row in zip(answer.result.classifications, scores, strict=True):
        assert [item.label for item in classes.classes] == ["setosa", "versicolor", "virginica"]
        assert np.allclose([item.score for item in classes.classes], row, rtol=1e-6)
    assert answer.model_spec.version.value == 1


def test_regress_gives_each_examples_value(stub, model_folder):
    rows = onnx_graphs.regressor()[1]
    request = message("RegressionRequest")()
    request.model_spec.name, request.model_spec.signature_name = "diabetes", "regression"
    for row in rows:
        set_example(request.input.example_list.examples.add(), X=row.tolist())
    answer = stub.Regress(request)
    direct = onnx_graphs.direct(model_folder / "diabetes.onnx", {"X": rows})["variable"]
    assert np.allclose([item.value for item in answer.result.regressions], direct.ravel(), rtol=1e-6)


def test_texts_are_bytes_features(stub):
    request = message("ClassificationRequest")()
    request.model_spec.name = "text"
    set_example(request.input.example_list.examples.add(), text=[b"good fine nice"])
    classes = stub.Classify(request).result.classifications[0].classes
    assert max(classes, key=lambda item: item.score).label == "good"


def test_a_context_holds_features_that_all_examples_have(stub):
    request = message("ClassificationRequest")()
    request.model_spec.name = "iris"
    with_context = request.input.example_list_with_context
    set_example(with_context.context, X=ROWS[0].tolist())
    with_context.examples.add()
    set_example(with_context.examples.add(), X=ROWS[1].tolist())
    found = [max(item.classes, key=lambda one: one.score) for item in stub.Classify(request).result.classifications]
    assert [item.label for item in found] == ["setosa", "virginica"]


def test_what_a_model_can_not_do_is_refused(stub):
    request = message("RegressionRequest")()
    request.model_spec.name = "iris"
    set_example(request.input.example_list.examples.add(), X=ROWS[0].tolist())
    code, text = refusal(stub.Regress, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "tensorflow/serving/regress" in text
    request = message("ClassificationRequest")()
    request.model_spec.name = "iris"
    assert "empty" in refusal(stub.Classify, request)[1]
    request.input.example_list.SetInParent()
    assert "no examples" in refusal(stub.Classify, request)[1]
    set_example(request.input.example_list.examples.add(), X=[1.0, 2.0])
    assert "4 values" in refusal(stub.Classify, request)[1]
    request.model_spec.signature_name = "clasification"
    assert "No signature was found with the name: clasification (did you" in refusal(stub.Classify, request)[1]


def test_multi_inference_runs_tasks_on_the_same_examples(stub):
    request = message("MultiInferenceRequest")()
    for method in ("classify", "classify"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = "iris"
    set_example(request.input.example_list.examples.add(), X=ROWS[0].tolist())
    assert "Duplicate evaluation" in refusal(stub.MultiInference, request)[1]
    request.tasks[1].model_spec.signature_name = "classification"
    answer = stub.MultiInference(request)
    assert [len(item.classification_result.classifications) for item in answer.results] == [1, 1]
    request.tasks[1].method_name = "tensorflow/serving/embed"
    assert refusal(stub.MultiInference, request)[0] is grpc.StatusCode.UNIMPLEMENTED
    request.tasks[1].method_name = "tensorflow/serving/regress"
    request.tasks[1].model_spec.name = "diabetes"
    assert "same model name" in refusal(stub.MultiInference, request)[1]


def test_metadata_tells_the_signatures(stub):
    request = message("GetModelMetadataRequest")()
    request.model_spec.name = "iris"
    assert "at least one metadata_field" in refusal(stub.GetModelMetadata, request)[1]
    request.metadata_field.append("signature_def")
    answer = stub.GetModelMetadata(request)
    found = message("SignatureDefMap")()
    assert answer.metadata["signature_def"].Unpack(found)
    assert set(found.signature_def) == {"serving_default", "predict", "classification"}
    default = found.signature_def["serving_default"]
    assert default.method_name == "tensorflow/serving/predict"
    assert default.inputs["X"].dtype == 1
    assert [dim.size for dim in default.inputs["X"].tensor_shape.dim] == [-1, 4]
    assert found.signature_def["classification"].method_name == "tensorflow/serving/classify"
    request.metadata_field.append("graph")
    assert "not supported" in refusal(stub.GetModelMetadata, request)[1]


def test_status_of_models_and_versions(stub):
    request = message("GetModelStatusRequest")()
    assert refusal(stub.GetModelStatus, request)[1] == "Missing ModelSpec"
    request.model_spec.name = "iris"
    (state,) = stub.GetModelStatus(request).model_version_status
    assert (state.version, state.state, state.status.error_code) == (1, 30, 0)
    request.model_spec.version.value = 2
    code, text = refusal(stub.GetModelStatus, request)
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "Could not find version 2 of model iris")
    request.model_spec.name = "nobody"
    assert "Could not find" in refusal(stub.GetModelStatus, request)[1]


def test_a_new_configuration_loads_and_unloads(model_folder):
    running = TfsServer(model_folder)
    try:
        stub = running.stub
        request = message("ReloadConfigRequest")()
        code, text = refusal(stub.HandleReloadConfigRequest, request)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "Only ModelConfigList" in text
        listed = request.config.model_config_list.config
        listed.add(name="iris", base_path="/models/iris")
        assert stub.HandleReloadConfigRequest(request).status.error_code == 0
        assert stub.Predict(predict_request(X=IRIS)).outputs
        status = message("GetModelStatusRequest")()
        status.model_spec.name = "diabetes"
        assert [item.state for item in stub.GetModelStatus(status).model_version_status] == [50]
        listed.add(name="diabetes", base_path="/models/diabetes")
        stub.HandleReloadConfigRequest(request)
        assert [item.state for item in stub.GetModelStatus(status).model_version_status] == [30]
        listed[1].version_labels["stable"] = 1
        assert refusal(stub.HandleReloadConfigRequest, request)[0] is grpc.StatusCode.UNIMPLEMENTED
        del listed[1].version_labels["stable"]
        listed[1].model_version_policy.specific.versions.append(4)
        assert "--versions" in refusal(stub.HandleReloadConfigRequest, request)[1]
        listed[1].name = "more"
        code, text = refusal(stub.HandleReloadConfigRequest, request)
        assert code is grpc.StatusCode.NOT_FOUND
        assert "no model 'more'" in text
        listed[1].name = "iris"
        assert "multiple times" in refusal(stub.HandleReloadConfigRequest, request)[1]
    finally:
        running.stop()


def test_features_are_found_by_column_names(tmp_path):
    metadata = Tabular((Column("a"), Column("b"), Column("c")))
    names = ", ".join(f'{{"name": "{column.name}"}}' for column in metadata.columns)
    text = f'{{"inputs": {{"x": {{"kind": "tabular", "columns": [{names}]}}}}}}'
    nodes = [onnx_graphs.node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)]
    made = onnx_graphs.model(
        nodes,
        [onnx_graphs.tensor("x", T.FLOAT, ["n", 3])],
        [onnx_graphs.tensor("y", T.FLOAT, ["n"])],
        weights=[onnx_graphs.weight("axes", np.array([1], np.int64))],
        metadata={"modelport": text},
    )
    (tmp_path / "sum.onnx").write_bytes(made.SerializeToString())
    running = TfsServer(tmp_path)
    try:
        request = message("RegressionRequest")()
        request.model_spec.name = "sum"
        set_example(request.input.example_list.examples.add(), a=[1.0], b=[2], c=[0.5])
        set_example(request.input.example_list.examples.add(), x=[1.0, 1.0, 1.0])
        assert [item.value for item in running.stub.Regress(request).result.regressions] == [3.5, 3.0]
        set_example(request.input.example_list.examples.add(), a=[1.0], b=[2])
        assert "missing column 'c'" in refusal(running.stub.Regress, request)[1]
        rest = running.ask("POST", "/v1/models/sum:regress", {"context": {"a": 1}, "examples": [{"b": 2, "c": [0.5]}]})
        assert rest.json() == {"results": [3.5]}
    finally:
        running.stop()
