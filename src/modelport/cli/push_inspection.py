"""What `modelport push` finds out about a model before it is sent. A file that can run code is not loaded for that."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.digest import digest
from modelport.artifacts.model_file import model_file
from modelport.core.declared import with_meanings
from modelport.core.description import signature_to_dict
from modelport.core.errors import ForbiddenError, InvalidInputError, MissingExtraError
from modelport.engine.lifecycle.golden import WarmupOptions, stored_files
from modelport.engine.lifecycle.loader import load_spec
from modelport.engine.lifecycle.source import files_beside
from modelport.registry.packing import Inspected
from modelport.release.promotion.opening import described_at, open_artifact
from modelport.runtimes.catalog import detect, entry_for
from modelport.runtimes.trust import Trust, check_trust


def inspect_model(path: Path, trust: Trust) -> tuple[Inspected, str]:
    """Format and signature of the model at `path`, and a note where the signature can't be told.

    Raises InvalidModelError for a file of no known format, or that is broken.
    """
    name, artifact = described_at(path)
    format = detect(artifact.path)  # noqa: A001 - the word of the field
    if entry_for(format).runs_code:
        named = digest(artifact.path, beside(artifact.path))
        try:
            check_trust(name, named, artifact.path, format, trust)
        except ForbiddenError:
            return Inspected(format), f"{format} files can run code: the signature is not looked at without --trust"
    try:
        model = open_artifact(name, artifact, trust)
    except MissingExtraError as error:
        return Inspected(format), f"the signature is not known: {error}"
    try:
        spec, info = load_spec(artifact.model_file(name)), model.info
        document = signature_to_dict(with_meanings(model.signature, spec.inputs, spec.outputs))
        return Inspected(info.format, info.platform, info.framework, dict(info.properties), document), ""
    finally:
        model.close()


def beside(path: Path) -> tuple[Path, ...]:
    """The files that the model at `path` needs beside its own."""
    if path.is_dir():
        return ()
    whole = path.absolute()
    return files_beside(whole, load_spec(model_file(whole.stem, whole.parent)).options)


def golden_beside(path: Path) -> tuple[Path, ...]:
    """The requests that are stored beside a model's file. Raises InvalidModelError for some that are not there."""
    if path.is_dir():
        return ()
    whole = path.absolute()
    settings = model_file(whole.stem, whole.parent)
    return tuple(stored_files(settings.folder, settings.section("warmup", WarmupOptions).requests))


def training_digest(text: str) -> str:
    """The sha256 of training data: that of a file or a folder, or a digest as it is given. Raises InvalidInputError."""
    bare = text.removeprefix("sha256:").lower()
    if len(bare) == 64 and all(character in "0123456789abcdef" for character in bare):
        return bare
    path = Path(text)
    if text and not path.exists():
        raise InvalidInputError(f"--training-data {text}: there is no such file, and it is no sha256")
    return digest(path) if text else ""
