"""Models that Keras and TensorFlow train in moments on data that scikit-learn has; made once for all tests.

Imported only where TensorFlow is installed.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
from sklearn.datasets import load_iris

from modelport.runtimes.tensorflow.keras import _keras as keras
from modelport.runtimes.tensorflow.process import tf

TEXTS = ["a good day", "good", "bad food", "a bad day", "so bad", "very good", "good food", "very bad"]
GOOD = [1, 1, 0, 0, 0, 1, 1, 0]


def quietly(function, *arguments, **named):
    """Call what warns about the frameworks under it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


@cache
def iris():
    """A classifier of flowers, and its rows."""
    keras.utils.set_random_seed(0)
    rows, labels = load_iris(return_X_y=True)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,), name="flower"),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax", name="species"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    quietly(model.fit, rows, labels, epochs=3, verbose=0)
    return model, rows.astype(np.float32)


@cache
def text():
    """Texts that are good or bad: a vocabulary, an embedding and its mean."""
    layers = keras.layers
    words = layers.TextVectorization(output_sequence_length=4, vocabulary=["good", "bad", "day", "food", "very"])
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string", name="text"),
            words,
            layers.Embedding(8, 4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid", name="good"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    quietly(model.fit, tf.constant(TEXTS)[:, None], tf.constant(GOOD, tf.float32)[:, None], epochs=2, verbose=0)
    return model


@cache
def applicants():
    """Two inputs of different types, two outputs by name."""
    layers = keras.layers
    age, job = keras.Input((1,), name="age"), keras.Input((1,), dtype="string", name="job")
    named = layers.StringLookup(vocabulary=["clerk", "smith"], output_mode="one_hot")(job)
    both = layers.Concatenate()([layers.Rescaling(0.1)(age), named])
    return keras.Model(
        {"age": age, "job": job},
        {"risk": layers.Dense(1)(both), "class": layers.Dense(2, activation="softmax")(both)},
    )


@cache
def pictures():
    """A small network of convolutions for 8 × 8 pictures of 0 … 255, and some."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="picture"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    return model, np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)).astype(np.float32)


class Recommender(tf.Module):
    """Users and things as vectors: `serving_default` scores a user's things, `top` names the best ones."""

    def __init__(self):
        random = np.random.default_rng(0)
        self.users = tf.Variable(random.standard_normal((6, 3)).astype(np.float32))
        self.things = tf.Variable(random.standard_normal((8, 3)).astype(np.float32))
        self.names = tf.constant([f"thing {at}" for at in range(8)])
        keys = tf.lookup.KeyValueTensorInitializer([f"user {at}" for at in range(6)], list(range(6)))
        self.table = tf.lookup.StaticHashTable(keys, 0)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="user")])
    def score(self, user):
        return {"scores": tf.gather(self.users, user) @ tf.transpose(self.things)}

    @tf.function(
        input_signature=[tf.TensorSpec((None,), tf.string, name="user"), tf.TensorSpec((), tf.int32, name="count")]
    )
    def top(self, user, count):
        scores = tf.gather(self.users, self.table.lookup(user)) @ tf.transpose(self.things)
        found = tf.math.top_k(scores, count)
        return {"things": tf.gather(self.names, found.indices), "scores": found.values}


DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16",
          "float32", "float64", "string")  # fmt: skip


class Echo(tf.Module):
    """Gives what it takes: one tensor of each dtype, a scalar text, and a tensor of any rank."""

    @tf.function(
        input_signature=[
            [tf.TensorSpec((None, 2), dtype, name=dtype) for dtype in DTYPES],
            tf.TensorSpec((), tf.string, name="one"),
            tf.TensorSpec(None, tf.float32, name="any"),
        ]
    )
    def all(self, many, one, any):  # noqa: A002
        return {**{f"{name}_out": tf.identity(item) for name, item in zip(DTYPES, many, strict=True)},
                "one_out": tf.identity(one), "any_out": tf.identity(any)}  # fmt: skip


class Reader(tf.Module):
    """Reads the file that it is asked for."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string, name="path")])
    def read(self, path):
        return {"content": tf.io.read_file(path)}


class Caller(tf.Module):
    """Calls Python."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def call(self, x):
        return {"y": tf.numpy_function(lambda array: array, [x], tf.float32)}


class Writer(tf.Module):
    """Writes a checkpoint whenever it is asked."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def write(self, x):
        tf.raw_ops.SaveV2(prefix="/nowhere/x", tensor_names=["x"], shape_and_slices=[""], tensors=[x])
        return {"y": x}


def save(folder, module, **signatures):
    """A SavedModel of a module's functions."""
    quietly(tf.saved_model.save, module, str(folder), signatures=signatures)
    return folder


def export(folder, model):
    """A SavedModel as Keras exports it."""
    quietly(model.export, str(folder), verbose=False)
    return folder


def keras_file(path, model):
    """A file as Keras saves it."""
    quietly(model.save, str(path))
    return path
