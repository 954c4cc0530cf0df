"""Triton repositories as they lie."""

import warnings

import numpy as np
import pytest

from modelport.core.declared import declared_tensors
from modelport.core.errors import InvalidModelError
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.lifecycle.samples import Sample, SampleTensor, run_samples
from modelport.runtimes.repositories.describing import describe


@pytest.fixture
def repository(tmp_path):
    """Writes a model: its configuration, and empty files of its versions."""

    def write(config, *files, name="fraud"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.pbtxt").write_text(config)
        for file in files:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text("")
        return folder

    return write


FULL = """
name: "fraud"
platform: "onnxruntime_onnx"
max_batch_size: 16
input [ { name: "X" data_type: TYPE_FP32 dims: [ 30 ] }, { name: "note" data_type: TYPE_STRING dims: [ 1 ] } ]
output { name: "scores" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
version_policy: { latest { num_versions: 2 } }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 500
  default_queue_policy { max_queue_size: 100 default_timeout_microseconds: 250000 }
}
instance_group [ { count: 2 kind: KIND_CPU } ]
parameters { key: "intra_op_thread_count" value: { string_value: "3" } }
response_cache { enable: true }
optimization { cuda { graphs: true } }
"""


def test_a_configuration_becomes_the_tables_of_our_own(repository):
    folder = repository(FULL, "1/model.onnx", "3/model.onnx")
    (folder / "labels.txt").write_text("good\nbad\n")
    found = describe(folder)
    assert found.name == "fraud"
    assert found.versions == {1: folder / "1" / "model.onnx", 3: folder / "3" / "model.onnx"}
    assert found.tables == {
        "inputs": {
            "X": {"datatype": "FP32", "shape": [-1, 30]},
            "note": {"datatype": "BYTES", "shape": [-1, 1]},
        },
        "outputs": {
            "scores": {
                "datatype": "FP32", "shape": [-1, 2], "kind": "classification", "labels": ["good", "bad"],
            },
        },
        "serving": {
            "versions": "latest:2", "max_batch": 16, "max_delay_ms": 0.5, "queue": 100, "timeout_seconds": 0.25,
            "concurrency": 2,
        },
        "runtime": {"threads": 3},
        "cache": {"enabled": True},
    }  # fmt: skip
    assert found.warnings == (
        "preferred_batch_size is not mapped: the sizes that pay are measured at load",
        "optimization is not mapped",
    )
    assert found.problem == ""
    assert found.files == (folder / "config.pbtxt", folder / "labels.txt")
    assert declared_tensors(found.tables["outputs"])[0].shape == (-1, 2)


def test_without_batches_dims_are_the_whole_shape(repository):
    config = 'backend: "onnxruntime" max_batch_size: 0 input { name: "X" data_type: TYPE_INT64 dims: [ -1, 3 ] }'
    found = describe(repository(config, "1/model.onnx"))
    assert found.tables == {"inputs": {"X": {"datatype": "INT64", "shape": [-1, 3]}}}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("config", "file"),
    [
        ('platform: "tensorflow_savedmodel"', "model.savedmodel/saved_model.pb"),
        ('platform: "pytorch_libtorch"', "model.pt"),
        ('backend: "openvino"', "model.xml"),
        ('backend: "fil" parameters { key: "model_type" value { string_value: "lightgbm" } }', "model.txt"),
        ('backend: "fil" parameters { key: "model_type" value { string_value: "xgboost_json" } }', "xgboost.json"),
        ('backend: "onnxruntime" default_model_filename: "net.onnx"', "net.onnx"),
        ("", "model.onnx"),
        ('default_model_filename: "model.pt"', "model.pt"),
    ],
)
def test_the_files_that_platforms_look_for(tmp_path, config, file):
    folder = tmp_path / "m"
    path = folder / "1" / file
    path.parent.mkdir(parents=True)
    path.write_text("")
    (folder / "config.pbtxt").write_text(config)
    assert describe(folder).versions == {1: folder / "1" / file.partition("/")[0]}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('platform: "tensorrt_plan"', "'tensorrt_plan': a TensorRT engine"),
        ('backend: "python"', "in a model.py"),
        ('backend: "mystery"', "'mystery': which is none that Modelport has a runtime for"),
    ],
)
def test_what_can_not_be_served_is_said(repository, config, says):
    assert says in describe(repository(config, "1/model.plan")).problem


def test_versions_policies_and_devices(repository):
    config = """version_policy { specific { versions: [1, 3] } } instance_group { kind: KIND_GPU gpus: [ 1, 2 ] }
    model_warmup { name: "w" } sequence_batching { max_sequence_idle_microseconds: 5000000
    state { input_name: "s" output_name: "t" } control_input { name: "START" } }"""
    found = describe(repository(config, "1/model.onnx"))
    assert found.tables == {
        "serving": {"versions": "1,3", "concurrency": 1},
        "runtime": {"device": "cuda:1"},
        "sequence": {"state": [{"input": "s", "output": "t"}], "idle_seconds": 5.0},
        "warmup": {"samples": [{"name": "w", "count": 1, "inputs": {}}]},
    }
    assert [warning.split(" ")[0] for warning in found.warnings] == ["instance_group", "the"]
    assert describe(repository("version_policy { all {} }", name="b")).tables == {"serving": {"versions": "all"}}


PLACES = """
platform: "pytorch_libtorch" max_batch_size: 8
input { name: "INPUT__1" data_type: TYPE_FP32 dims: [ 3 ] } input { name: "INPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }
output { name: "OUTPUT__1" data_type: TYPE_FP32 dims: [ 3 ] }
output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 3 ] }
model_warmup { name: "zeros" batch_size: 2 count: 3
  inputs { key: "INPUT__0" value { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } }
  inputs { key: "INPUT__1" value { data_type: TYPE_FP32 dims: [ 3 ] random_data: true } } }
model_warmup { name: "stored" batch_size: 1
  inputs { key: "INPUT__0" value { data_type: TYPE_FP32 dims: [ 3 ] input_data_file: "raw" } }
  inputs { key: "INPUT__1" value { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } } }
"""


def test_names_that_say_places_are_those_of_torchscript_only(repository):
    places = describe(repository(PLACES, "1/model.pt"))
    assert list(places.tables["inputs"]) == ["INPUT__0", "INPUT__1"]
    assert list(places.tables["outputs"]) == ["OUTPUT__0", "OUTPUT__1"]
    assert places.warnings == ()
    exported = describe(repository(PLACES.replace("pytorch_libtorch", "pytorch"), "1/model.pt2", name="exported"))
    assert exported.tables.keys() == {"serving", "warmup"}
    assert exported.warnings[0] == "'INPUT__1' says a place: clients call the tensor as the model itself does"


def test_warm_up_becomes_samples(repository):
    first, second = describe(repository(PLACES, "1/model.pt")).tables["warmup"]["samples"]
    assert first == {
        "name": "zeros",
        "count": 3,
        "inputs": {
            "INPUT__0": {"datatype": "FP32", "shape": [2, 3], "data": "zeros"},
            "INPUT__1": {"datatype": "FP32", "shape": [2, 3], "data": "random"},
        },
    }
    assert second["inputs"]["INPUT__0"]["data"] == "warmup/raw"


@pytest.fixture
def torch_repository(repository):
    """A program of two inputs and two outputs, which are not alike, as Triton serves it."""
    torch = pytest.importorskip("torch")

    class Pair(torch.nn.Module):
        def forward(self, left, right):
            return left - right, left * 2

    folder = repository(PLACES, "1/model.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Pair()), folder / "1" / "model.pt")
    (folder / "warmup").mkdir()
    (folder / "warmup" / "raw").write_bytes(np.ones((1, 3), np.float32).tobytes())
    return folder


def test_a_torchscript_model_is_called_by_places(torch_repository, run_server):
    grpc = pytest.importorskip("tritonclient.grpc")
    server = run_server(torch_repository).wait_ready(60)
    left, right = np.array([[5, 6, 7]], np.float32), np.array([[1, 2, 3]], np.float32)
    tensors = [grpc.InferInput(name, [1, 3], "FP32") for name in ("INPUT__1", "INPUT__0")]
    tensors[0].set_data_from_numpy(right)
    tensors[1].set_data_from_numpy(left)
    with grpc.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        given = client.infer("fraud", tensors)
    assert given.as_numpy("OUTPUT__0").tolist() == (left - right).tolist()
    assert given.as_numpy("OUTPUT__1").tolist() == (left * 2).tolist()


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "raw has 0 bytes, but 'INPUT__0' takes 12"), (None, "there is no file 'warmup/raw'")],
)
def test_a_warm_up_that_can_not_be_made(torch_repository, run_server, content, says):
    raw = torch_repository / "warmup" / "raw"
    if content is None:
        raw.unlink()
    else:
        raw.write_bytes(content)
    server = run_server(torch_repository)
    server.wait_said(rf"sample 'stored' failed: {says}", 60)


SAMPLES = {
    "texts": (SampleTensor("BYTES", (2,), "texts"), [b"one", b"three"]),
    "numbers": (SampleTensor("INT16", (2,), "numbers"), [1, 2]),
    "flags": (SampleTensor("BOOL", (2,), "zeros"), [False, False]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_asked(tmp_path, name):
    (tmp_path / "texts").write_bytes(b"\3\0\0\0one\5\0\0\0three")
    (tmp_path / "numbers").write_bytes(b"\1\0\2\0")
    tensor, wanted = SAMPLES[name]
    asked = []

    class Model:
        def predict(self, inputs):
            asked.append(inputs["x"].tolist())

    signature = Signature((TensorSpec("x", tensor.datatype, (-1,)),), ())
    run_samples(Model(), signature, (Sample({"x": tensor}, 2),), tmp_path)
    assert asked == [wanted, wanted]


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (SampleTensor("FP32", (2,), "../secret"), "leads out of the model's folder"),
        (SampleTensor("FP32", (-1,)), "write every length"),
        (SampleTensor("FP32", (2, 2)), "has shape"),
        (SampleTensor("BYTES", (2,), "numbers"), "does not hold 2 texts"),
    ],
)
def test_samples_that_can_not_be(tmp_path, tensor, says):
    (tmp_path / "numbers").write_bytes(b"\1\0\2\0")
    signature = Signature((TensorSpec("x", tensor.datatype, (-1,)),), ())
    with pytest.raises(InvalidModelError, match=rf"sample number 0 failed: .*{says}"):
        run_samples(None, signature, (Sample({"x": tensor}),), tmp_path)


ENSEMBLE = """
platform: "ensemble"
input { name: "RAW" data_type: TYPE_FP32 dims: [ 30 ] }
output { name: "LABEL" data_type: TYPE_INT64 dims: [ 1 ] }
max_batch_size: 8
ensemble_scheduling { step [
  { model_name: "scale" model_version: -1 input_map { key: "X" value: "RAW" } output_map { key: "Y" value: "SCALED" } },
  { model_name: "fraud.net" model_version: 2
    input_map { key: "X" value: "SCALED" } output_map { key: "label" value: "LABEL" } }
] }
"""


def test_an_ensemble_becomes_a_pipeline(repository):
    folder = repository(ENSEMBLE)
    (folder / "1").mkdir()
    found = describe(folder)
    assert found.versions == {1: folder / "config.pbtxt"}
    assert found.tables["pipeline"] == {
        "steps": [
            {"name": "scale", "model": "scale", "inputs": {"X": "RAW"}},
            {"name": "fraud_net", "model": "fraud.net@2", "inputs": {"X": "scale.Y"}},
        ],
        "outputs": {"LABEL": "fraud_net.label"},
    }
    assert found.tables["inputs"] == {"RAW": {"datatype": "FP32", "shape": [-1, 30]}}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("input {", "fraud/config.pbtxt, line 1: it ends too soon"),
        ("input { dims: 1 }", "fraud/config.pbtxt: an input has no name"),
        ('default_model_filename: "../../secret"', "which lies outside of its folder"),
        ('output { name: "y" label_filename: "none.txt" }', "none.txt can't be read"),
        (
            ENSEMBLE.replace('"SCALED" } output_map { key: "label"', '"LOST" } output_map { key: "label"'),
            "needs the tensor 'LOST', which nothing makes",
        ),
    ],
)
def test_broken_configurations(repository, config, says):
    folder = repository(config, "1/model.onnx")
    with pytest.raises(InvalidModelError) as caught:
        describe(folder)
    assert says in str(caught.value)


def test_a_folder_of_ones_own_is_described_by_nobody(tmp_path):
    assert describe(tmp_path) is None
