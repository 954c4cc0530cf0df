"""What the TFLite runtime says of files, batches, quantization, labels, signatures and options."""

import base64
import io
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("modelport.runtimes.tensorflow.process")
pytest.importorskip("modelport.runtimes.tflite.runtime")

from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.meaning import Image, Probabilities
from modelport.core.runtime import LoadSpec
from modelport.runtimes.tflite.runtime import TFLiteRuntime
from modelport.wire.rows import tensor_from_rows
from runtimes import tensorflow_models as models
from runtimes import tflite_models


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.tflite"


def load(path, content, device="cpu", **options):
    path.write_bytes(content)
    return TFLiteRuntime().load(path, LoadSpec(threads=1, device=device, options=options))


def failure(path, content, error=InvalidModelError, **spec):
    with pytest.raises(error) as caught:
        load(path, content, **spec)
    return str(caught.value)


def test_files_that_are_cut_short_or_another_version(path):
    content = tflite_models.iris()
    assert failure(path, content[:-16]).startswith("m.tflite is a TensorFlow Lite model that is cut short or damaged")
    assert failure(path, b"") == "m.tflite is empty (0 bytes), not a TensorFlow Lite model"
    older = content[:4] + b"TFL2" + content[8:]
    assert failure(path, older) == "m.tflite is not a TensorFlow Lite model: its bytes 4 to 7 are b'TFL2', not b'TFL3'"


def test_operations_of_tensorflow_proper(path):
    says = failure(path, tflite_models.flex())
    assert says.startswith(
        "m.tflite uses TensorFlow's operation 'MatrixInverse' (a \"Flex\" operation), which LiteRT alone"
    )


def test_one_row_becomes_any_number_where_rows_do_not_mix(path):
    assert load(path, tflite_models.one_row()).signature.input("x").shape == (-1, 4)
    fixed = load(path, tflite_models.mixing())
    assert fixed.signature.input("x").shape == (1, 3)
    given = fixed.predict({"x": np.array([[1, 2, 6]], np.float32)})
    assert [array.tolist() for array in given.values()] == [[[-2, -1, 3]]]


def test_quantization_is_told(path):
    told = load(path, tflite_models.quantized()).info.properties["quantization"]
    assert told.startswith("flower INT8, scale 0.0")
    assert "; output_0 UINT8, scale 0.00390625, zero point 0" in told
    assert load(path, tflite_models.quantized()).signature.input("flower").datatype == "FP32"
    assert load(path, tflite_models.quantized(), quantized="raw").signature.input("flower").datatype == "INT8"
    assert "quantization" not in load(path, tflite_models.iris()).info.properties


def test_the_float_view_is_near_the_float_model(path):
    rows = models.iris()[1]
    exact = load(path, tflite_models.iris()).predict({"flower": rows})["output_0"]
    near = load(path, tflite_models.quantized()).predict({"flower": rows})["output_0"]
    assert np.abs(exact - near).max() < 0.1
    huge = load(path, tflite_models.quantized()).predict({"flower": np.full((1, 4), 3e38, np.float32)})["output_0"]
    assert np.isfinite(huge).all()


@pytest.mark.parametrize("whole", [False, True])
def test_pictures_that_the_metadata_describes(path, whole):
    content = tflite_models.with_metadata(tflite_models.pixels(whole), [127.5], [127.5])
    model = load(path, content)
    (spec,) = model.signature.inputs
    assert spec.meaning == Image(4, 4, 3, "HWC", 1.0, (127.5,) * 3, (127.5,) * 3)
    assert spec.datatype == "FP32"
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), (255, 0, 51)).save(buffer, "PNG")
    rows = tensor_from_rows(spec, {"b64": base64.b64encode(buffer.getvalue()).decode()})
    given = model.predict({spec.name: rows})
    assert next(iter(given.values()))[0] == pytest.approx([1, -1, -0.6], abs=0.01 if whole else 1e-6)


def test_pictures_with_a_number_for_each_channel(path):
    model = load(path, tflite_models.with_metadata(tflite_models.pixels(), [1, 2, 3], [4, 5, 6]))
    assert model.signature.inputs[0].meaning.mean == (1, 2, 3)
    assert model.signature.inputs[0].meaning.std == (4, 5, 6)


@pytest.mark.parametrize(
    ("mean", "std", "meaning"),
    [([0], [1], Image(4, 4, 3)), ([], [], Image(4, 4, 3)), ([1], [0], None), ([1, 2], [1, 1], None), ([1], [], None)],
)
def test_what_no_picture_is_normalised_by(path, mean, std, meaning):
    assert (
        load(path, tflite_models.with_metadata(tflite_models.pixels(), mean, std)).signature.inputs[0].meaning
        == meaning
    )


def test_what_the_metadata_says_of_others_is_no_picture(path):
    features = tflite_models.with_metadata(tflite_models.pixels(), [1], [1], kind=1)
    assert load(path, features).signature.inputs[0].meaning is None
    rows = tflite_models.with_metadata(tflite_models.iris(), [1], [1])
    assert load(path, rows).signature.inputs[0].meaning is None
    raw = tflite_models.with_metadata(tflite_models.pixels(True), [127.5], [127.5])
    assert load(path, raw, quantized="raw").signature.inputs[0].meaning is None


def test_metadata_that_is_damaged_is_passed_over(path):
    content = tflite_models.with_metadata(tflite_models.pixels(), [127.5], [127.5])
    place = content.index(b"M001")
    damaged = content[: place - 4] + b"\xff\xff\xff\x7f" + content[place:]
    assert load(path, damaged).signature.inputs[0].meaning is None


def test_labels_that_are_packed(path):
    packed = tflite_models.with_files(tflite_models.iris(), labels="setosa\nversicolor\n\nvirginica\n", notes="x")
    model = load(path, packed)
    assert model.signature.output("output_0").meaning == Probabilities(("setosa", "versicolor", "virginica"))
    assert model.predict({"flower": np.ones((1, 4), np.float32)})["output_0"].shape == (1, 3)
    other = load(path, tflite_models.with_files(tflite_models.iris(), labels="one\ntwo\n"))
    assert other.signature.output("output_0").meaning is None


def test_signatures(path, tmp_path):
    content = tflite_models.two(tmp_path)
    model = load(path, content, signature="double")
    assert model.predict({"x": np.ones((3, 2), np.float32)})["doubled"].tolist() == [[2, 2]] * 3
    assert model.info.properties == {"signature": "double", "signatures": "add, double", "parameters": "1"}
    assert failure(path, content, InvalidInputError, signature="doubel") == (
        "m.tflite has no signature 'doubel' (did you mean 'double'?); it has add, double"
    )


def test_options_and_devices(path):
    assert failure(path, tflite_models.iris(), InvalidInputError, quantised="raw") == (
        "unknown option 'quantised' (did you mean 'quantized'?); TensorFlow Lite models take 'quantized', 'signature'"
    )
    assert "option 'quantized' is 'int8'; it is one of 'float', 'raw'" in failure(
        path, tflite_models.iris(), InvalidInputError, quantized="int8"
    )
    assert "unknown device 'cuda'" in failure(path, tflite_models.iris(), InvalidInputError, device="cuda")


def test_a_model_that_is_closed(path):
    model = load(path, tflite_models.iris())
    model.close()
    with pytest.raises(ModelFailedError, match="the model is closed"):
        model.predict({"flower": np.ones((1, 4), np.float32)})


def test_after_a_refusal_rows_of_another_number_are_answered(path):
    model = load(path, tflite_models.gather())
    with pytest.raises(InvalidInputError, match="the model refuses these values: gather index out of bounds"):
        model.predict({"place": np.array([9, 9, 9], np.int32)})
    assert [array.tolist() for array in model.predict({"place": np.array([1, 1, 1], np.int32)}).values()] == [[1.5] * 3]


def test_it_starts_quietly_and_without_tensorflow(path):
    path.write_bytes(tflite_models.iris())
    code = (
        "import sys; from pathlib import Path; from modelport.runtimes.catalog import load;"
        f"load(Path({str(path)!r})); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=dict(os.environ)
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
