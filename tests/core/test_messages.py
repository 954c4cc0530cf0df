"""Requests and responses."""

import numpy as np

from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.core.runtime import LoadedModel, LoadSpec, Runtime
from modelport.testing.fakes import FakeRuntime, echo_model


def test_what_a_request_carries_by_default():
    request = InferenceRequest({"x": np.zeros(1)})
    assert (request.outputs, request.id, request.parameters, request.deadline) == (None, "", None, None)
    assert (request.received, request.decoded, request.started, request.finished) == (0, 0, 0, 0)


def test_what_a_response_carries_by_default():
    response = InferenceResponse("m", 1, {})
    assert (response.id, response.parameters) == ("", None)


def test_how_to_load_by_default():
    assert (LoadSpec().threads, LoadSpec().device, LoadSpec().options) == (0, "cpu", {})


def test_fakes_are_what_they_stand_for():
    assert isinstance(FakeRuntime(), Runtime)
    assert isinstance(echo_model(), LoadedModel)
