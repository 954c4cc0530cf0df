"""TensorFlow Lite models that TensorFlow's converter makes of small Keras models and functions."""

from __future__ import annotations

import contextlib
import io
import zipfile
from functools import cache

import numpy as np

from modelport.runtimes.tensorflow.stderr import quiet_stderr
from runtimes import tensorflow_models as models
from runtimes.tensorflow_models import tf


def converted(converter):
    """The converter's file, without what it prints."""
    with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
        return models.quietly(converter.convert)


@cache
def iris():
    """A classifier in FP32, of any number of rows."""
    return converted(tf.lite.TFLiteConverter.from_keras_model(models.iris()[0]))


@cache
def quantized():
    """The same in whole numbers: INT8 in, UINT8 out."""
    model, rows = models.iris()
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rows[at : at + 1]] for at in range(len(rows)))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = tf.int8, tf.uint8
    return converted(converter)


def of_function(function, *specs):
    """A file without signatures."""
    concrete = tf.function(function).get_concrete_function(*specs)
    return converted(tf.lite.TFLiteConverter.from_concrete_functions([concrete]))


@cache
def one_row():
    """A classifier of exactly one row."""
    model = models.iris()[0]
    return of_function(lambda x: model(x, training=False), tf.TensorSpec((1, 4), tf.float32, name="x"))


@cache
def mixing():
    """One row of three; two rows would be mixed up."""
    return of_function(lambda x: x - tf.reduce_mean(x), tf.TensorSpec((1, 3), tf.float32, name="x"))


@cache
def gather():
    """Elements of a table by their places."""
    table = tf.constant(np.arange(6, dtype=np.float32) * 1.5)
    return of_function(lambda place: tf.gather(table, place), tf.TensorSpec((3,), tf.int32, name="place"))


class Two(tf.Module):
    """Two signatures in one file."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
    def double(self, x):
        return {"doubled": x * 2}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.float32, name="a"), tf.TensorSpec((None,), tf.float32, name="b")]
    )
    def add(self, a, b):
        return {"total": a + b, "difference": a - b}


def two(folder):
    """A file with the signatures `double` and `add`."""
    module = Two()
    path = models.save(folder / "two", module, double=module.double, add=module.add)
    return converted(tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=["double", "add"]))


def flex():
    """A file that needs an operation of TensorFlow proper."""
    concrete = tf.function(tf.linalg.inv).get_concrete_function(tf.TensorSpec((3, 3), tf.float32, name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    return converted(converter)


def with_files(content, **files):
    """The model with files packed behind it, as TFLite's metadata has them."""
    packed = io.BytesIO(content)
    packed.seek(0, 2)
    with zipfile.ZipFile(packed, "a") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.txt", text)
    return packed.getvalue()


@cache
def pixels(whole=False):
    """Colour pictures of 4 × 4, averaged; in whole numbers where `whole`."""

    def mean(x):
        return tf.reduce_mean(x, axis=[1, 2])

    concrete = tf.function(mean).get_concrete_function(tf.TensorSpec((1, 4, 4, 3), tf.float32, name="pixels"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    if whole:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.full((1, 4, 4, 3), value, np.float32)] for value in (-1, 0, 1))
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converted(converter)


def with_metadata(content, mean, std, kind=2):
    """The model with TensorFlow Lite Metadata: its first input is of a `kind` (2: pictures), and normalised."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(_metadata(mean, std, kind))
    model.buffers.append(buffer)
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _metadata(mean, std, kind):
    """The tables of `metadata_schema.fbs` that matter, from the innermost on."""
    import flatbuffers

    made = flatbuffers.Builder()

    def floats(values):
        made.StartVector(4, len(values), 4)
        for value in reversed(values):
            made.PrependFloat32(value)
        return made.EndVector()

    def table(size, *fields):
        made.StartObject(size)
        for place, write, value in fields:
            write(place, value, 0)
        return made.EndObject()

    def listed(*tables):
        made.StartVector(4, len(tables), 4)
        for each in reversed(tables):
            made.PrependUOffsetTRelative(each)
        return made.EndVector()

    inner, byte = made.PrependUOffsetTRelativeSlot, made.PrependUint8Slot
    means, deviations = floats(mean), floats(std)
    unit = table(2, (0, byte, 1), (1, inner, table(2, (0, inner, means), (1, inner, deviations))))
    content = table(3, (0, byte, kind), (1, inner, table(2)))
    units = listed(unit)
    tensors = listed(table(7, (3, inner, content), (4, inner, units)))
    subgraphs = listed(table(8, (2, inner, tensors)))
    made.Finish(table(8, (3, inner, subgraphs)), file_identifier=b"M001")
    return bytes(made.Output())
