"""A version's files in the cache, as the lifecycle loads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from modelport.artifacts.manifest import Manifest
from modelport.core.errors import InvalidModelError
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.source import scan


def artifact_in(folder: Path, manifest: Manifest) -> Artifact:
    """The artifact of a version that was checked out into `folder`. Raises InvalidModelError where it is no model.

    Its fingerprint is what the manifest says, the same for ever: checked out again, it is not loaded again.
    """
    place = folder / manifest.name if manifest.kind == "file" else folder
    found = scan((place,))
    if len(found) != 1:
        models = ", ".join(sorted(found)) or "none"
        raise InvalidModelError(f"an artifact should be one model; in {manifest.name!r} there are: {models}")
    name, versions = next(iter(found.items()))
    called = name if manifest.kind == "file" or name != folder.stem else Path(manifest.name).stem
    marks = tuple((f"{file.path} {file.sha256}", file.size, 0) for file in manifest.files)
    return replace(versions[max(versions)], fingerprint=marks, called=called)
