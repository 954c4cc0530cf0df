"""The artifact store that a URL or a folder names."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.base import ArtifactStore
from modelport.artifacts.local import LocalStore
from modelport.core.errors import InvalidInputError


def open_store(place: str | Path) -> ArtifactStore:
    """The store at `s3://bucket/prefix` or in a folder.

    Raises InvalidInputError, MissingExtraError, UnavailableError.
    """
    text = str(place)
    if text.startswith("s3://"):
        from modelport.artifacts.s3 import S3Store  # noqa: PLC0415 - boto3 is an extra

        return S3Store(text)
    if "://" in text and not text.startswith("file://"):
        raise InvalidInputError(f"{text!r} is no artifact store: name a folder, or s3://bucket/prefix")
    return LocalStore(Path(text.removeprefix("file://")))
