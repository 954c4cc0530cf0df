"""A version that is loaded here, to be asked again."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError
from modelport.core.runtime import LoadedModel, NamedSignatures, StreamingModel
from modelport.core.signature import Signature
from modelport.engine.requests import Record


@dataclass(frozen=True, slots=True)
class LoadedSubject:
    """A loaded model. `signature` has what its owner says of the tensors."""

    name: str
    loaded: LoadedModel
    signature: Signature

    def answers(self, record: Record, inputs: dict[str, Array]) -> list[dict[str, Array]]:
        """The responses; several from a model that streams. Raises ModelportError."""
        asked = None if record.asked is None else tuple(record.asked)
        model = self._asked_by(record.signature)
        if isinstance(model, StreamingModel) and len(record.answers) != 1:
            return list(model.stream(inputs, asked))
        return [model.predict(inputs, asked)]

    def _asked_by(self, signature: str) -> LoadedModel:
        if not signature:
            return self.loaded
        known = self.loaded.signatures if isinstance(self.loaded, NamedSignatures) else {}
        if signature not in known:
            raise InvalidInputError(f"{self.name} has no signature {signature!r}; it has {', '.join(known) or 'one'}")
        return known[signature]
