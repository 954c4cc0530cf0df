"""Text classifiers: what a customer wants, and whether a headline is good news.

    python examples/texts/train.py [FOLDER]      (default: examples/texts/models)
    modelport serve examples/texts/models

`intents.onnx` and `sentiment.skops` (pip install 'modelport[sklearn]') are logistic regressions on TF-IDF;
`intents-embedding.keras` (pip install 'modelport[tensorflow]') learns a vector for each word and adds them up.

The texts were written for this example, 20 for each intent (`intents.tsv`) and 40 headlines of each kind
(`sentiment.tsv`): far too few for a real classifier, and enough to see one served. The headlines are easy: the same
words come again and again. A quarter is held out.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

HERE = Path(__file__).resolve().parent
#: A word, as the ONNX operator that splits a text into words understands it too.
WORD = "[a-zA-Z0-9_]+"
WORDS, VECTOR, EPOCHS = 400, 24, 80


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "modelport.toml", folder / "modelport.toml")
    texts, held_out, classes, held_out_classes = split("intents")
    intents = by_words().fit(texts, classes)
    (folder / "intents.onnx").write_bytes(to_onnx(intents))
    _say("intents", intents.predict(held_out) == held_out_classes, held_out_classes)
    if importlib.util.find_spec("tensorflow"):
        network = embedding(texts, classes)
        network.save(folder / "intents-embedding.keras")
        told = np.unique(classes)[scores(network, held_out).argmax(1)]
        _say("intents-embedding", told == held_out_classes, held_out_classes)
    else:
        print("intents-embedding: needs TensorFlow, which is not installed: pip install 'modelport[tensorflow]'")
    texts, held_out, classes, held_out_classes = split("sentiment")
    sentiment = by_letters().fit(texts, classes)
    skops.io.dump(sentiment, folder / "sentiment.skops")
    _say("sentiment", sentiment.predict(held_out) == held_out_classes, held_out_classes)


def split(name: str) -> list[Any]:
    """Texts to learn from, texts that are held out, and the classes of both."""
    lines = [line.split("\t") for line in (HERE / f"{name}.tsv").read_text(encoding="utf-8").splitlines()]
    classes, texts = np.array([line[0] for line in lines]), [line[1] for line in lines]
    return train_test_split(texts, classes, test_size=0.25, stratify=classes, random_state=0)


def by_words() -> Pipeline:
    """Words and pairs of words."""
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), token_pattern=WORD), LogisticRegression(C=20))


def by_letters() -> Pipeline:
    """Groups of two to five letters: so few texts have few words in common, but some beginnings and endings."""
    return make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True), LogisticRegression(C=20)
    )


def to_onnx(model: Pipeline) -> bytes:
    """The pipeline with one text input; the vectorizer's work is in the graph."""
    options = {TfidfVectorizer: {"tokenexp": WORD, "locale": "C"}, LogisticRegression: {"zipmap": False}}
    types = [("text", StringTensorType([None]))]
    return convert_sklearn(model, "intents", initial_types=types, options=options).SerializeToString()


def embedding(texts: list[str], classes: np.ndarray) -> Any:
    """A Keras model from texts to probabilities; the vocabulary is in it."""
    import keras  # noqa: PLC0415 - only for this model, and it takes seconds

    keras.utils.set_random_seed(0)
    names = np.unique(classes)
    numbers = keras.layers.TextVectorization(WORDS, output_sequence_length=16)
    numbers.adapt(texts)
    text = keras.Input((), dtype="string", name="text")
    vectors = keras.layers.Embedding(WORDS, VECTOR, mask_zero=True)(numbers(text))
    mean = keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling1D()(vectors))
    network = keras.Model(text, keras.layers.Dense(len(names), "softmax", name="intent")(mean))
    network.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    network.fit(_strings(texts), np.searchsorted(names, classes), batch_size=16, epochs=EPOCHS, verbose=0)
    return network


def scores(network: Any, texts: list[str]) -> np.ndarray:
    """What the Keras model gives when it is called directly."""
    return np.asarray(network(_strings(texts)))


def _strings(texts: list[str]) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    return tf.constant(texts)


def _say(name: str, right: np.ndarray, classes: np.ndarray) -> None:
    chance = np.unique(classes, return_counts=True)[1].max() / len(classes)
    print(
        f"{name}: text → one of {len(np.unique(classes))} classes; held-out accuracy {np.mean(right):.2f} where "
        f"guessing has {chance:.2f} ({len(classes)} texts)",
        flush=True,
    )


if __name__ == "__main__":
    main()
