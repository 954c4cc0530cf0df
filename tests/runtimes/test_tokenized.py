"""Texts into a model of tokens, by a tokenizer beside it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tokenizers")

import tokenizers
from onnx import TensorProto as T
from onnx import numpy_helper
from onnx_graphs import model, node, tensor

from modelport.core.declared import declared_tensors
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.meaning import Text
from modelport.core.runtime import InterruptibleModel, LoadedModel, LoadSpec, StreamingModel
from modelport.core.signature import TensorSpec
from modelport.runtimes import catalog
from modelport.runtimes.tokenized import own_spec, wrap

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "my", "card", "is", "lost", "where", "?"]


@pytest.fixture
def folder(tmp_path):
    """A model that counts tokens, and gives the sum of their ids; and a tokenizer of a few words."""
    graph = model(
        [
            node("Mul", ["input_ids", "attention_mask"], ["seen"]),
            node("ReduceSum", ["seen", "axis"], ["sum"], keepdims=0),
            node("ReduceSum", ["attention_mask", "axis"], ["count"], keepdims=0),
            node("Identity", ["input_ids"], ["ids"]),
        ],
        [tensor("input_ids", T.INT64, ["n", "t"]), tensor("attention_mask", T.INT64, ["n", "t"])],
        [tensor("sum", T.INT64, ["n"]), tensor("count", T.INT64, ["n"]), tensor("ids", T.INT64, ["n", "t"])],
        weights=[numpy_helper.from_array(np.array([1]), "axis")],
    )
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    write_tokenizer(tmp_path / "tokenizer.json")
    return tmp_path


def write_tokenizer(path):
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    made = tokenizers.Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.save(str(path))


def load(folder, **fields):
    declared = declared_tensors({"text": {"kind": "text", "tokenizer": "tokenizer.json", **fields}})
    spec = LoadSpec(threads=1, inputs=declared)
    return wrap(catalog.load(folder / "model.onnx", own_spec(spec)), folder, spec.inputs)


def texts(*values):
    array = np.empty(len(values), object)
    array[:] = [value.encode() for value in values]
    return {"text": array}


def test_texts_are_made_into_tokens_of_one_length(folder):
    loaded = load(folder)
    assert isinstance(loaded, LoadedModel)
    meaning = Text("tokenizer.json")
    assert loaded.signature.inputs == (TensorSpec("text", "BYTES", (-1,), meaning),)
    assert loaded.signature.batched
    given = loaded.predict(texts("my card is lost", "where ?"))
    assert given["ids"].tolist() == [[2, 4, 5, 6, 7, 3], [2, 8, 9, 3, 0, 0]]
    assert given["count"].tolist() == [6, 4]
    direct = catalog.load(folder / "model.onnx")
    ids, mask = np.array([[2, 8, 9, 3]]), np.ones((1, 4), np.int64)
    expected = direct.predict({"input_ids": ids, "attention_mask": mask})
    assert given["sum"][1] == expected["sum"][0]
    assert list(loaded.predict(texts("my card"), ("count",))) == ["count"]


def test_lengths_are_as_declared(folder):
    assert load(folder, max_length=3).predict(texts("my card is lost"))["ids"].tolist() == [[2, 4, 3]]
    fixed = load(folder, max_length=5, padding="fixed")
    assert fixed.predict(texts("where"))["ids"].tolist() == [[2, 8, 3, 0, 0]]
    whole = load(folder, max_length=3, truncation=False)
    assert whole.predict(texts("my card is lost"))["ids"].shape == (1, 6)


def test_without_padding_a_request_holds_one_text(folder):
    loaded = load(folder, padding=False)
    assert loaded.signature.inputs[0].shape == (1,)
    assert not loaded.signature.batched
    assert loaded.predict(texts("my card"))["ids"].tolist() == [[2, 4, 5, 3]]


def test_a_text_that_is_not_utf8_is_refused(folder):
    with pytest.raises(InvalidInputError, match="element 0 of 'text' is not UTF-8"):
        load(folder).predict({"text": np.array([b"\xff"], object)})
    with pytest.raises(InvalidInputError, match="missing input 'text'"):
        load(folder).predict({})


def test_a_model_that_declares_no_tokenizer_stays_as_it_is(folder):
    loaded = catalog.load(folder / "model.onnx")
    assert wrap(loaded, folder, ()) is loaded
    assert wrap(loaded, folder, declared_tensors({"input_ids": {"shape": [-1, 4]}})) is loaded


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tokenizer": "missing.json"}, "the tokenizer 'missing.json' is not there"),
        ({"tokenizer": "../tokenizer.json"}, "lies outside of the model's folder"),
        ({"tokenizer": "model.onnx"}, "model.onnx is not a tokenizer that can be read"),
    ],
)
def test_what_is_no_tokenizer_is_said(folder, fields, says):
    with pytest.raises(InvalidModelError, match=says):
        load(folder, **fields)


def test_a_model_without_tokens_is_refused(folder):
    graph = model([node("Identity", ["x"], ["y"])], [tensor("x", T.FLOAT, ["n"])], [tensor("y", T.FLOAT, ["n"])])
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(InvalidModelError, match=r"no input 'input_ids' for its tokens; it has x FP32 \[-1\]"):
        load(folder)


def test_a_model_for_a_fixed_length_gets_it(folder):
    sides = [tensor(name, T.INT32, ["n", 4]) for name in ("input_ids", "y")]
    graph = model([node("Identity", ["input_ids"], ["y"])], sides[:1], sides[1:])
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    loaded = load(folder)
    assert loaded.predict(texts("my card is lost", "where"))["y"].tolist() == [[2, 4, 5, 3], [2, 8, 3, 0]]
    with pytest.raises(InvalidModelError, match="the model takes exactly 4 tokens a text"):
        load(folder, max_length=5)


class Patient:
    """A model that can be cut short, and that streams."""

    def __init__(self, inner):
        self.inner, self.signature, self.info = inner, inner.signature, inner.info

    def predict(self, inputs, outputs=None):
        return self.inner.predict(inputs, outputs)

    def predict_until(self, inputs, outputs, deadline):
        assert deadline == "soon"
        return self.inner.predict(inputs, outputs)

    def stream(self, inputs, outputs=None):
        yield self.inner.predict(inputs, outputs)

    def close(self):
        self.inner.close()


def test_what_the_model_can_do_it_can_do_with_texts(folder):
    declared = declared_tensors({"text": {"kind": "text", "tokenizer": "tokenizer.json"}})
    plain = wrap(catalog.load(folder / "model.onnx"), folder, declared)
    assert not isinstance(plain, InterruptibleModel | StreamingModel)
    both = wrap(Patient(catalog.load(folder / "model.onnx")), folder, declared)
    assert isinstance(both, InterruptibleModel)
    assert isinstance(both, StreamingModel)
    assert both.predict_until(texts("my card"), ("count",), "soon")["count"].tolist() == [4]
    assert [given["count"].tolist() for given in both.stream(texts("my card"))] == [[4]]


def test_the_model_itself_is_loaded_without_the_text(folder):
    tables = {"text": {"kind": "text", "tokenizer": "t"}, "x": {"shape": [2]}, "*": {"kind": "text"}}
    assert [item.name for item in own_spec(LoadSpec(inputs=declared_tensors(tables))).inputs] == ["x"]
