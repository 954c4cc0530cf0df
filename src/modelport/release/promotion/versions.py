"""Versions of the registry, checked out and loaded for as long as they are looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelport.artifacts.checkout import check_out
from modelport.core.description import signature_from_dict
from modelport.core.signature import Signature
from modelport.evaluate.subject import Subject
from modelport.registry.base import Registry
from modelport.registry.records import VersionRecord
from modelport.release.promotion.opening import Opened, open_described, proved
from modelport.runtimes.trust import Trust


@contextmanager
def loaded_version(
    registry: Registry, record: VersionRecord, trust: Trust, fetched: Callable[[int], None] | None = None
) -> Iterator[Subject]:
    """A version as something that predicts, until the block ends; `fetched` is told how many more bytes came.

    Its golden requests are asked. Raises ModelportError where it can't be loaded; it is trusted by its model's name.
    """
    with opened_version(registry, record, trust, fetched) as opened:
        yield _subject(record, opened)


@contextmanager
def opened_version(
    registry: Registry, record: VersionRecord, trust: Trust, fetched: Callable[[int], None] | None = None
) -> Iterator[Opened]:
    """A version checked out and loaded, until the block ends. As `loaded_version`, but nothing is asked of it."""
    with tempfile.TemporaryDirectory(prefix="modelport-version-") as folder:
        opened = open_described(checked_out(registry, record, Path(folder), fetched), record.model, trust)
        try:
            yield opened
        finally:
            opened.loaded.close()


def checked_out(
    registry: Registry, record: VersionRecord, folder: Path, fetched: Callable[[int], None] | None = None
) -> Path:
    """Where the version's model is, once its files are below `folder`."""
    manifest = record.manifest
    assert manifest is not None
    target = folder / "files" if manifest.kind == "file" else folder / "files" / manifest.name
    return check_out(registry.store, manifest, target, fetched)


def known_signature(record: VersionRecord) -> Signature | None:
    """The signature that was found when the version was pushed; None where none was."""
    document = None if record.manifest is None else record.manifest.signature
    return None if document is None else signature_from_dict(document)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the alias names now, and its signature as far as it is known."""

    record: VersionRecord
    signature: Signature | None

    @property
    def name(self) -> str:
        """`fraud@3`."""
        return f"{self.record.model}@{self.record.number}"


def _subject(record: VersionRecord, opened: Opened) -> Subject:
    return Subject(
        name=record.model,
        signature=opened.signature,
        predict=opened.loaded.predict,
        version=str(record.number),
        digest=record.digest,
        format=record.format,
        size=record.size,
        golden=proved(opened.loaded, opened.signature, opened.settings),
    )
