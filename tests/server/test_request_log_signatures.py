"""A SavedModel that is asked by one of its signatures is logged with that, and asked again by it."""

import grpc
import httpx
import numpy as np
import pytest
from tfs_rig import predict_request

tf = pytest.importorskip("tensorflow")

from modelport.engine.requests import LoggedRequests  # noqa: E402
from modelport.wire.tensorflow_serving_messages import message  # noqa: E402
from runtimes.tensorflow_models import save  # noqa: E402


class Scaling(tf.Module):
    """Two ways to be asked, with inputs of different names."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def doubled(self, x):
        return {"y": x * 2}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="secret")])
    def tripled(self, secret):
        return {"y": secret * 3}


@pytest.mark.parametrize("hide", ["", 'hide = ["x"]\n'])
def test_the_signature_is_logged_and_asked_again(run_server, tmp_path, hide):
    module = Scaling()
    save(tmp_path / "scaling", module, serving_default=module.doubled, triple=module.tripled)
    (tmp_path / "modelport.toml").write_text(f"[logging]\nrequests = true\n{hide}")
    env = {"MODELPORT_REQUEST_LOG": str(tmp_path / "log")}
    server = run_server(tmp_path / "scaling", env=env).wait_ready(90)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message("PredictResponse").FromString,
        )
        request = predict_request("scaling", secret=(1, (2,), "float_val", [1.5, 2.5]))
        request.model_spec.signature_name = "triple"
        answer, call = predict.with_call(request)
    assert list(answer.outputs["y"].float_val) == [4.5, 7.5]
    made = dict(call.trailing_metadata())["x-request-id"]
    found = LoggedRequests(tmp_path / "log").find(made, patience=10)
    assert found.signature == "triple"
    again = httpx.post(f"{server.url}/api/v1/requests/{made}/replay", json={}, timeout=30)
    if hide:  # the name means nothing in this signature: so nothing of it is stored
        assert (found.inputs, found.answers) == ([], [[]])
        assert (again.status_code, "secret was not stored" in again.json()["error"]) == (400, True)
    else:
        assert np.array_equal(found.arrays()["secret"], np.array([1.5, 2.5], np.float32))
        assert again.json()["outcome"] == "equal"
