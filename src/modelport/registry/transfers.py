"""Pushing and pulling through a registry, wherever it is: files first, then the version that names them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from modelport.artifacts.checkout import check_out
from modelport.artifacts.uploads import Progress, send_file
from modelport.core.errors import ConflictError, UnavailableError
from modelport.registry.base import Registry
from modelport.registry.packing import Packed
from modelport.registry.records import By, NewVersion, VersionRecord
from modelport.registry.references import Selector

_TRIES = 3


def push_packed(
    registry: Registry,
    name: str,
    packed: Packed,
    by: By,
    *,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    alias: str = "",
    progress: Progress | None = None,
) -> VersionRecord:
    """Send the files that the store has not got, and make a version of them.

    Where garbage collection took a file meanwhile, or the answer got lost, it is done again: the push's id sees to it
    that there is one version. Raises what the registry and its store raise.
    """
    new = NewVersion(packed.manifest, description, dict(tags or {}), alias, secrets.token_hex(16))
    for tried in range(1, _TRIES + 1):
        for file in packed.manifest.files:
            send_file(registry.store, packed.places[file.path], file.sha256, file.size, progress)
        try:
            return registry.push(name, new, by)
        except (ConflictError, UnavailableError):
            if tried == _TRIES:
                raise
            progress = None
    raise AssertionError("not reached")


def pull(
    registry: Registry, name: str, selector: Selector, folder: Path, progress: Progress | None = None
) -> tuple[VersionRecord, Path]:
    """Make `folder` of a version's files, as `check_out`; gives the version, and where the model is."""
    version = registry.version(name, selector)
    assert version.manifest is not None
    return version, check_out(registry.store, version.manifest, folder, progress)
