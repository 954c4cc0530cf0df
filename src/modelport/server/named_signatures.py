"""The other signatures of a version: a SavedModel has several, and TensorFlow Serving's clients name one."""

from __future__ import annotations

from collections.abc import Mapping

from modelport.core.runtime import LoadedModel, NamedSignatures
from modelport.engine.served import ServedVersion
from modelport.wire.tensorflow_serving_signatures import set_named

_KEY = "server.named_signatures"


def with_signature(served: ServedVersion, name: str) -> ServedVersion:
    """The version as it answers by the signature of that name; itself where its model has no such signature."""
    return with_signatures(served).signature.memo[_KEY].get(name, served) if name else served


def with_signatures(served: ServedVersion) -> ServedVersion:
    """The version, of whose signatures the dialect knows from now on."""
    memo = served.signature.memo
    if _KEY not in memo:
        model = served.loaded
        found: Mapping[str, LoadedModel] = model.signatures if isinstance(model, NamedSignatures) else {}
        named = {name: _beside(served, name, loaded) for name, loaded in found.items()}
        memo[_KEY] = named
        for one in (served, *named.values()):
            set_named(one.signature, {name: loaded.signature for name, loaded in found.items()})
    return served


def _beside(served: ServedVersion, name: str, loaded: LoadedModel) -> ServedVersion:
    """A version that is the same but for its signature: it runs in threads, and goes when the version goes."""
    if loaded.signature is served.loaded.signature:
        return served
    made = ServedVersion(
        served.model, served.version, loaded, served.digest, served.path, served.metrics, options=served.options
    )
    made.special = served.special
    made.log = None if served.log is None else served.log.named(name, made.signature)
    served.on_close.append(made.retire)
    return made
