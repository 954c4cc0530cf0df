"""What `modelport replay --against` names: a version of the registry, a model behind a URL, or a model file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelport.cli.model_opening import open_file
from modelport.cli.predict import Target, find_target
from modelport.cli.registry_options import Where
from modelport.client import Client
from modelport.core.datatypes import Array
from modelport.core.declared import with_meanings
from modelport.core.errors import InvalidInputError
from modelport.core.signature import Signature
from modelport.engine.lifecycle.loader import load_spec
from modelport.engine.requests import Record
from modelport.registry.references import parse_reference, parse_selector
from modelport.release.promotion.opening import artifact_at
from modelport.release.replaying import Subject
from modelport.release.replaying.loaded import LoadedSubject
from modelport.release.replaying.registered import registered_subject
from modelport.runtimes.trust import Trust


@dataclass(frozen=True, slots=True)
class ServedSubject:
    """A model that a server answers for."""

    name: str
    signature: Signature
    client: Client
    target: Target

    def answers(self, record: Record, inputs: dict[str, Array]) -> list[dict[str, Array]]:
        """Its response. Raises ModelportError."""
        if record.signature:
            raise InvalidInputError(f"{self.name} can't be asked by the signature {record.signature!r} over a URL")
        model = self.target.model or record.model
        found = self.client.infer(model, inputs, version=self.target.version, outputs=record.asked).outputs
        return [{name: found[name] for name in record.asked or found}]


@contextmanager
def opened_subject(against: str, record: Record, where: Where, trust: Trust, timeout: float) -> Iterator[Subject]:
    """What is asked again, until the block ends; an empty text is the version that answered. Raises ModelportError."""
    if "://" in against or (against and Path(against).exists()):
        place = find_target(against, None, None)
        with _served(place, record, timeout) if isinstance(place, Target) else _file(place, trust) as subject:
            yield subject
        return
    name, selector = reference(against, record)
    with where.opened() as registry, registered_subject(registry, name, selector, trust) as subject:
        yield subject


def reference(against: str, record: Record) -> tuple[str, int | str | None]:
    """The model and version that are meant: `fraud@5`, or `5`, `@5` and an alias, of the request's own model."""
    if not against:
        return record.model, record.version
    name, at, selector = against.rpartition("@")
    if at:
        return parse_reference(against) if name else (record.model, parse_selector(selector))
    if against.isdecimal():
        return record.model, parse_selector(against)
    raise InvalidInputError(
        f"--against is a version ({record.model}@5, or 5), a model's URL or a model file, not {against!r}"
    )


@contextmanager
def _served(target: Target, record: Record, timeout: float) -> Iterator[ServedSubject]:
    with Client(target.server, timeout=timeout, retries=0) as client:
        model = target.model or record.model
        version = f"@{target.version}" if target.version else ""
        signature = client.signature(model, target.version)
        yield ServedSubject(f"{model}{version} at {target.server}", signature, client, target)


@contextmanager
def _file(path: Path, trust: Trust) -> Iterator[LoadedSubject]:
    loaded = open_file(path, trust)
    try:
        spec = load_spec(artifact_at(path).model_file(path.absolute().stem))
        yield LoadedSubject(str(path), loaded, with_meanings(loaded.signature, spec.inputs, spec.outputs))
    finally:
        loaded.close()
