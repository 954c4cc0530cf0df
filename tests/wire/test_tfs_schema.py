"""Our .proto files and our reading of tensors against what the official packages have; see tfs_golden.py."""

import base64
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec

import pytest
import tfs_golden
from wire_cases import one_input

from modelport.core.datatypes import DTYPES
from modelport.wire.tensorflow_serving_messages import schema
from modelport.wire.tensorflow_serving_predict import Predict, PredictReader

GOLDEN = tfs_golden.load()
MESSAGES = tfs_golden.messages_of(schema().files)
ENUMS = tfs_golden.enums_of(schema().files)
#: What we leave out on purpose: fields that nothing of ours reads or writes.
LEFT_OUT = {
    "tensorflow.TensorProto": {"resource_handle_val", "variant_val"},
    "tensorflow.TensorInfo": {"coo_sparse", "composite_tensor"},
    "tensorflow.serving.PredictRequest": {"predict_streamed_options", "client_id", "request_options"},
    "tensorflow.serving.ModelConfig": {"logging_config"},
    "tensorflow.serving.FileSystemStoragePathSourceConfig": {
        "servables",
        "file_system_poll_wait_seconds",
        "fail_if_zero_versions_at_startup",
        "servable_versions_always_present",
    },
}
installed = pytest.mark.skipif(
    not (find_spec("tensorflow") and find_spec("tensorflow_serving")), reason="TensorFlow is not installed"
)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_have_the_official_fields(name):
    official = GOLDEN["messages"][name]
    wanted = {field: facts for field, facts in official.items() if field not in LEFT_OUT.get(name, ())}
    assert LEFT_OUT.get(name, set()) <= official.keys()
    assert MESSAGES[name] == wanted


@pytest.mark.parametrize("name", ENUMS)
def test_enums_have_the_official_numbers(name):
    official = GOLDEN["enums"][name].items()
    wanted = {word: number for word, number in official if not word.endswith("_REF") and not word.startswith("DO_NOT")}
    assert ENUMS[name] == wanted


def test_services_have_the_official_methods():
    assert tfs_golden.services_of(schema().files) == GOLDEN["services"]


@pytest.mark.parametrize("item", GOLDEN["requests"], ids=lambda item: f"{item['datatype']} {item['way']}")
def test_requests_that_tensorflow_wrote(item):
    raw = base64.b64decode(item["request"])
    signature = one_input(item["datatype"], None)
    wanted = _as_bytes(item["values"])
    for read in (PredictReader().read(raw), Predict(raw)):
        array = read.request(raw, signature).inputs["x"]
        assert array.dtype == DTYPES[item["datatype"]]
        assert array.tolist() == wanted


@installed
def test_the_record_is_what_the_packages_write():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert tfs_golden.record() == GOLDEN


@installed
@pytest.mark.parametrize("order", [("tensorflow_serving.apis.predict_pb2", "modelport"), ("modelport", "tensorflow")])
def test_a_process_can_have_both(order):
    """Messages of the same full names are in both."""
    use = "from modelport.wire.tensorflow_serving_messages import message; message('PredictRequest')()"
    code = "; ".join(use if name == "modelport" else f"import {name}" for name in order)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


def _as_bytes(value):
    if isinstance(value, list):
        return [_as_bytes(item) for item in value]
    return value.encode() if isinstance(value, str) else value
