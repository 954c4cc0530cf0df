"""The manifest of a version: its files and all that is known about them when they are pushed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec
import orjson

from modelport.artifacts.base import check_digest
from modelport.artifacts.model_file import NAME
from modelport.core.errors import InvalidInputError

SCHEMA = 1
_LONGEST = 4 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path in the artifact (with `/`), its bytes and its sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the model was pushed from: Python, system, and the packages that matter to it with their versions."""

    python: str = ""
    system: str = ""
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the model comes from. `git_changed`: there was work in no commit; `source`: where it was imported from."""

    who: str = ""
    when: str = ""
    source: str = ""
    git_commit: str = ""
    git_changed: bool = False
    git_remote: str = ""
    training_data: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known about an artifact. `name` is what its file or folder was called.

    `kind` file: the model is that file, what it needs and its `modelport.toml` stand beside it. `kind` folder: the
    model is all of it. `digest` is what names the artifact when it is served (`digest.py`). `golden` are those files
    beside a model's that are only stored requests: they do not make it another model.
    """

    name: str
    kind: Literal["file", "folder"]
    digest: str
    files: tuple[File, ...]
    format: str = ""
    platform: str = ""
    framework: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    signature: dict[str, Any] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    provenance: Provenance = field(default_factory=Provenance)
    golden: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """The manifest as text, the same each time: its sha256 names it."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_SORT_KEYS)


def manifest_from(document: Any) -> Manifest:
    """The manifest that a JSON document (already parsed) is. Raises InvalidInputError for what is none."""
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"not a manifest: {error}") from None
    return check_manifest(manifest)


def check_manifest(manifest: Manifest) -> Manifest:
    """The manifest itself. Raises InvalidInputError unless its files can lie in a folder and have its digest."""
    if manifest.schema != SCHEMA:
        raise InvalidInputError(f"the manifest has the schema {manifest.schema}; this Modelport reads {SCHEMA}")
    if not may_be_called(manifest.name):
        raise InvalidInputError(f"the manifest's name is {manifest.name[:80]!r}, which no file can have")
    _check_paths([file.path for file in manifest.files])
    for file in manifest.files:
        check_digest(file.sha256)
    if manifest.kind == "file" and manifest.name not in {file.path for file in manifest.files}:
        raise InvalidInputError(f"the manifest names the file {manifest.name!r}, but has not got it")
    if manifest.name in manifest.golden:
        raise InvalidInputError(f"the manifest's file {manifest.name!r} is the model itself, not a stored request")
    computed = artifact_digest(manifest.kind, manifest.files, manifest.golden)
    if manifest.digest != computed:
        raise InvalidInputError(f"the manifest has the digest {manifest.digest[:80]!r}, but its files have {computed}")
    if len(manifest.to_json()) > _LONGEST:
        raise InvalidInputError(f"the manifest is longer than {_LONGEST} bytes")
    return manifest


def artifact_digest(kind: str, files: Iterable[File], golden: Collection[str] = ()) -> str:
    """The digest of these files together, as `digest.digest` gives it for the artifact where it lies."""
    if kind == "folder":
        lines = [f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path.split("/"))]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    model = [file for file in files if file.path != NAME and file.path not in golden]
    if len(model) == 1:
        return model[0].sha256
    lines = sorted(f"{file.sha256}  {PurePosixPath(file.path).name}\n" for file in model)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_paths(paths: list[str]) -> None:
    """Raise InvalidInputError unless all of them can lie beside each other in a folder, and none outside."""
    if not paths:
        raise InvalidInputError("the manifest has no files")
    folders: set[str] = set()
    for path in paths:
        parts = path.split("/")
        if not all(may_be_called(part) for part in parts):
            raise InvalidInputError(f"the manifest has a file {path[:200]!r}, which is no path inside of an artifact")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    twice = len(set(paths)) < len(paths) or folders & set(paths)
    if twice:
        raise InvalidInputError("the manifest has two files of the same path")


def may_be_called(part: str) -> bool:
    """Whether a file or a folder can have that name everywhere."""
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        return False
    return part not in ("", ".", "..") and length <= 255 and not any(sign in part for sign in "\0\\/")
