"""From files where they lie to a manifest: their digests, where they come from, and with what they were made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from modelport.artifacts.digest import files_of
from modelport.artifacts.manifest import (
    Environment,
    File,
    Manifest,
    Provenance,
    artifact_digest,
    check_manifest,
    may_be_called,
)
from modelport.artifacts.model_file import NAME
from modelport.artifacts.uploads import file_digest
from modelport.core.errors import InvalidModelError

#: Packages whose version may matter to a model.
_PACKAGES = """
    modelport numpy pandas scikit-learn skops joblib onnx onnxruntime skl2onnx torch torchvision safetensors
    transformers tokenizers tensorflow tensorflow-cpu keras xgboost xgboost-cpu lightgbm catboost openvino mlflow
"""
_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is known of a model from its content."""

    format: str
    platform: str = ""
    framework: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    signature: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What whoever pushes says about a model; `training_data` is a digest."""

    who: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    training_data: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Packed:
    """A manifest, and where each of its files lies, by its path in the artifact."""

    manifest: Manifest
    places: dict[str, Path]


def pack(path: Path, beside: Sequence[Path], inspected: Inspected, said: Said, golden: Sequence[Path] = ()) -> Packed:
    """The manifest of the model at `path`, a file or a folder, and of the files `beside` it that it needs.

    A `modelport.toml` beside a file goes with it, and so do the requests that are stored with it, `golden`. Raises
    InvalidModelError for files that can't be read, or that lie outside of the model's folder.
    """
    whole = path.absolute()
    needed = _places(whole, [file.absolute() for file in beside])
    places = needed | _places(whole, [file.absolute() for file in golden])
    files = tuple(File(name, place.stat().st_size, file_digest(place)) for name, place in sorted(places.items()))
    if not files:
        raise InvalidModelError(f"{path} has no files")
    odd = [name for name in places if not all(map(may_be_called, name.split("/")))]
    if odd:
        raise InvalidModelError(f"{path} has a file {odd[0]!r}: no file of a version can be called that")
    kind: Any = "folder" if whole.is_dir() else "file"
    requests = tuple(sorted(places.keys() - needed.keys()))
    manifest = Manifest(
        name=whole.name,
        kind=kind,
        digest=artifact_digest(kind, files, requests),
        files=files,
        format=inspected.format,
        platform=inspected.platform,
        framework=inspected.framework,
        properties=dict(inspected.properties),
        signature=inspected.signature,
        metrics={name: float(value) for name, value in sorted(said.metrics.items())},
        environment=environment(),
        provenance=provenance(whole, said),
        golden=requests,
    )
    return Packed(check_manifest(manifest), places)


def environment() -> Environment:
    """This Python, this system, and what is installed of the packages that may matter."""
    packages = {}
    for name in _PACKAGES.split():
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(platform.python_version(), f"{platform.system()} {platform.machine()}", packages)


def provenance(path: Path, said: Said) -> Provenance:
    """Where a model comes from: its commit, if it lies in a git repository, and what was said."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    folder = path if path.is_dir() else path.parent
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    return Provenance(
        who=said.who,
        when=now,
        source=said.source,
        git_commit=commit,
        git_changed=bool(commit and _git(folder, "status", "--porcelain", "--untracked-files=no")),
        git_remote=_without_credentials(_git(folder, "config", "--get", "remote.origin.url")) if commit else "",
        training_data=said.training_data,
    )


def _places(path: Path, beside: Sequence[Path]) -> dict[str, Path]:
    if path.is_dir():
        return {file.relative_to(path).as_posix(): file for file in files_of(path)}
    own_words = path.with_name(NAME)
    found = {path.name: path} | ({NAME: own_words} if own_words.is_file() else {})
    for file in beside:
        if not file.is_relative_to(path.parent):
            raise InvalidModelError(f"{path.name} needs {file}, which is not in its folder: put it beside the model")
        found[file.relative_to(path.parent).as_posix()] = file
    return found


def _git(folder: Path, *words: str) -> str:
    """What git says; an empty text where there is no git, no repository, or nothing to say."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=quiet, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _without_credentials(url: str) -> str:
    return re.sub(r"^(\w[\w+.\-]*://)[^/@]*@", r"\1", url)
