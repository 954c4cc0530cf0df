"""A model of tokens as a model of texts: what `kind = "text"` with a tokenizer declares.

    [inputs.text]
    kind = "text"
    tokenizer = "tokenizer.json"

The file is one that Hugging Face's `tokenizers` writes. The model's own inputs `input_ids`, `attention_mask`,
`token_type_ids` and `special_tokens_mask` are made from the text and are no inputs any more; its other inputs stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelport.core.datatypes import BYTES, DTYPES, INTEGERS, Array, text_array
from modelport.core.deadline import Deadline
from modelport.core.declared import ANY, DeclaredTensor
from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError
from modelport.core.meaning import Text
from modelport.core.runtime import InterruptibleModel, LoadedModel, LoadSpec, ModelInfo, StreamingModel
from modelport.core.signature import Signature, TensorSpec

#: The inputs that a tokenizer makes, by the attribute of its encoding.
PARTS = {
    "input_ids": "ids",
    "attention_mask": "attention_mask",
    "token_type_ids": "type_ids",
    "special_tokens_mask": "special_tokens_mask",
}
#: How vocabularies call the token that fills up.
_PADS = ("[PAD]", "<pad>", "<|endoftext|>", "</s>")
#: Texts and a way to make tokens of them all, in rows of one length.
Encode = Callable[[list[str]], list[Any]]


def wrap(loaded: LoadedModel, folder: Path, inputs: Iterable[DeclaredTensor]) -> LoadedModel:
    """The model as its owner's declaration makes it take texts; the same object where nothing is declared of it.

    `folder` is where the tokenizer's path begins. Raises InvalidModelError where the file is missing, leads out of the
    folder or is no tokenizer, or where the model takes no tokens; MissingExtraError where `tokenizers` is missing.
    """
    declared = [item for item in inputs if is_tokenized(item)]
    if not declared:
        return loaded
    if len(declared) > 1:
        names = " and ".join(repr(item.name) for item in declared)
        raise InvalidModelError(f"inputs {names}: only one text can be tokenized for a model")
    if declared[0].shared and not _takes_tokens(loaded):
        return loaded
    made = _CLASSES[isinstance(loaded, InterruptibleModel), isinstance(loaded, StreamingModel)]
    return made(loaded, declared[0].name, _meaning(declared[0]), folder)


def _takes_tokens(loaded: LoadedModel) -> bool:
    return any(spec.name == "input_ids" for spec in loaded.signature.inputs)


def is_tokenized(item: DeclaredTensor) -> bool:
    """Whether a declared input is made into tokens before the model sees it: it is none of the model's own inputs."""
    return isinstance(item.meaning, Text) and bool(item.meaning.tokenizer)


def own_spec(spec: LoadSpec) -> LoadSpec:
    """How to load the model itself: without the declared inputs that are not its own."""
    own = tuple(item for item in spec.inputs if not is_tokenized(item) and item.name != ANY)
    return spec if len(own) == len(spec.inputs) else replace(spec, inputs=own)


class TokenizedModel:
    """Another model with its tokenizer before it. Thread-safe where that one is."""

    def __init__(self, inner: LoadedModel, name: str, meaning: Text, folder: Path) -> None:
        """Raises InvalidModelError or MissingExtraError; see `wrap`."""
        self._inner = inner
        self._name = name
        self._parts = _parts(inner.signature, name)
        length = _fixed_length(self._parts, meaning)
        self._encode = _opened(_inside(folder, meaning.tokenizer), meaning, length)
        self.signature = _signature(inner.signature, self._parts, name, meaning)

    @property
    def info(self) -> ModelInfo:
        """The inner model's."""
        return self._inner.info

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Make tokens, then predict; see `LoadedModel.predict`."""
        return self._inner.predict(self._given(inputs), outputs)

    def close(self) -> None:
        """Close the inner model."""
        self._inner.close()

    def _given(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """What the inner model takes. Raises InvalidInputError."""
        self.signature.check_complete(inputs)
        given = {name: array for name, array in inputs.items() if name != self._name}
        return {**given, **self._tokens(inputs[self._name])}

    def _tokens(self, texts: Array) -> dict[str, Array]:
        """The model's inputs of tokens: [texts, tokens]. Raises InvalidInputError."""
        encodings = self._encode(text_array(texts, self._name).tolist())
        tokens: dict[str, Array] = {}
        for spec in self._parts:
            rows = [getattr(encoding, PARTS[spec.name]) for encoding in encodings]
            array = np.array(rows, DTYPES[spec.datatype]).reshape(len(encodings), -1)
            if not spec.fits(array.shape):
                raise InvalidInputError(
                    f"input {self._name!r} has {array.shape[0]} texts of {array.shape[1]} tokens, "
                    f"but the model takes {spec.describe()}"
                )
            tokens[spec.name] = array
        return tokens


class InterruptibleTokenizedModel(TokenizedModel):
    """One whose inner model can be cut short."""

    _inner: InterruptibleModel

    def predict_until(
        self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, deadline: Deadline | None
    ) -> dict[str, Array]:
        """Make tokens, then predict; see `InterruptibleModel`."""
        return self._inner.predict_until(self._given(inputs), outputs, deadline)


class StreamingTokenizedModel(TokenizedModel):
    """One whose inner model streams."""

    _inner: StreamingModel

    def stream(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> Iterator[dict[str, Array]]:
        """Make tokens, then stream; see `StreamingModel`."""
        return self._inner.stream(self._given(inputs), outputs)


class _BothTokenizedModel(InterruptibleTokenizedModel, StreamingTokenizedModel):  # type: ignore[misc]
    """One whose inner model does both."""


#: Whether the inner model can be cut short, and whether it streams → how it is wrapped.
_CLASSES: dict[tuple[bool, bool], type[TokenizedModel]] = {
    (False, False): TokenizedModel,
    (True, False): InterruptibleTokenizedModel,
    (False, True): StreamingTokenizedModel,
    (True, True): _BothTokenizedModel,
}


def _meaning(declared: DeclaredTensor) -> Text:
    assert isinstance(declared.meaning, Text)
    return declared.meaning


def _parts(signature: Signature, name: str) -> list[TensorSpec]:
    """The model's inputs that a tokenizer makes. Raises InvalidModelError unless it has `input_ids`."""
    parts = [spec for spec in signature.inputs if spec.name in PARTS]
    listed = "; ".join(spec.describe() for spec in signature.inputs)
    if not any(spec.name == "input_ids" for spec in parts):
        raise InvalidModelError(
            f"[inputs.{name}] has a tokenizer, but the model has no input 'input_ids' for its tokens; it has {listed}"
        )
    if name in {spec.name for spec in signature.inputs}:
        raise InvalidModelError(f"[inputs.{name}] declares a text, but the model itself has an input of that name")
    for spec in parts:
        if spec.datatype not in INTEGERS or (spec.shape is not None and len(spec.shape) != 2):
            raise InvalidModelError(f"tokens are whole numbers [-1, -1], but the model takes {spec.describe()}")
    return parts


def _signature(inner: Signature, parts: list[TensorSpec], name: str, meaning: Text) -> Signature:
    """The inner signature with one text a row in place of its tokens; a single text where texts are not padded."""
    ids = next(spec for spec in parts if spec.name == "input_ids")
    rows = -1 if ids.shape is None else ids.shape[0]
    rows = rows if meaning.padding else 1
    text = TensorSpec(name, BYTES, (rows,), meaning)
    rest = tuple(spec for spec in inner.inputs if spec not in parts)
    return replace(inner, inputs=(text, *rest))


def _fixed_length(parts: list[TensorSpec], meaning: Text) -> int:
    """So many tokens each text must have; 0 where the model takes any number. Raises InvalidModelError."""
    lengths = {spec.shape[1] for spec in parts if spec.shape is not None and spec.shape[1] != -1}
    if not lengths:
        return meaning.max_length if meaning.padding == "fixed" else 0
    length = lengths.pop()
    if meaning.max_length not in (0, length):
        raise InvalidModelError(
            f"max_length is {meaning.max_length}, but the model takes exactly {length} tokens a text; leave it out"
        )
    return length


def _inside(folder: Path, name: str) -> Path:
    """The file, which lies in the folder. Raises InvalidModelError."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidModelError(f"the tokenizer {name!r} lies outside of the model's folder, where no model may read")
    if not path.is_file():
        raise InvalidModelError(f"the tokenizer {name!r} is not there: {folder} has no such file")
    return path


def _opened(path: Path, meaning: Text, length: int) -> Encode:
    """The tokenizer of a file, set to pad and to cut as declared."""
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - brought by an extra
    except ImportError:
        raise MissingExtraError(
            "a text that the server tokenizes needs 'tokenizers', which is not installed: pip install 'modelport[text]'"
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exceptions
        raise InvalidModelError(f"{path.name} is not a tokenizer that can be read: {error}") from None
    longest = length or meaning.max_length
    if not meaning.truncation:
        tokenizer.no_truncation()
    elif longest:
        tokenizer.enable_truncation(longest)
    _set_padding(tokenizer, meaning, length)
    encode: Encode = tokenizer.encode_batch
    return encode


def _set_padding(tokenizer: Any, meaning: Text, length: int) -> None:
    """Pad with the file's own token, or with the one that vocabularies call so."""
    if not meaning.padding:
        tokenizer.no_padding()
        return
    own = dict(tokenizer.padding or {})
    own.pop("strategy", None)
    if not own:
        token = next((token for token in _PADS if tokenizer.token_to_id(token) is not None), None)
        own = {} if token is None else {"pad_token": token, "pad_id": tokenizer.token_to_id(token)}
    tokenizer.enable_padding(**{**own, "length": length or None})
