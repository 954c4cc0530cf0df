"""What golden requests are asked of: a model file, or a model behind a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.cli.model_opening import open_file, trust_of
from modelport.cli.predict import Target, find_target, only_model
from modelport.client import Client
from modelport.core.datatypes import Array
from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.signature import Signature
from modelport.engine.lifecycle.golden import WarmupOptions, stored_files
from modelport.release.promotion.opening import artifact_at


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that answers, by its name."""

    name: str
    signature: Signature
    predict: Callable[[dict[str, Array], tuple[str, ...] | None], dict[str, Array]]

    def answer(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None, file: Path) -> dict[str, Array]:
        """The answer to a file's request. Raises the model's error, naming the file."""
        try:
            return self.predict(inputs, outputs)
        except ModelportError as error:
            raise type(error)(f"{file}: {error}") from None


@contextmanager
def opened(given: Mapping[str, Any]) -> Iterator[Asked]:
    """The model that the options of a command mean, until the block ends. Raises ModelportError, UnreadableError."""
    place = find_target(given["target"], given["model"], given["version"])
    if isinstance(place, Path):
        loaded = open_file(place, trust_of(given["trusted"], given["trust_globals"]))
        try:
            yield Asked(place.stem, loaded.signature, loaded.predict)
        finally:
            loaded.close()
        return
    with Client(place.server, timeout=given["timeout"], retries=0) as client:
        yield _served(client, place)


def stored_with(target: str) -> tuple[tuple[Path, ...], WarmupOptions]:
    """The golden requests that lie beside a model file, and its tolerances. Raises InvalidModelError."""
    path = Path(target)
    if not path.exists():
        return (), WarmupOptions()
    settings = artifact_at(path).model_file(path.absolute().stem)
    options = settings.section("warmup", WarmupOptions)
    return tuple(stored_files(settings.folder, options.requests)), options


def _served(client: Client, place: Target) -> Asked:
    name = place.model or only_model(client)
    signature = client.signature(name, place.version)
    if not signature.inputs or not signature.outputs:
        raise InvalidInputError(f"{client.url} does not say what the inputs and outputs of {name!r} are")

    def predict(inputs: dict[str, Array], outputs: tuple[str, ...] | None) -> dict[str, Array]:
        given = client.infer(name, inputs, outputs=outputs, version=place.version).outputs
        return {spec: given[spec] for spec in outputs or given}

    return Asked(name, signature, predict)
