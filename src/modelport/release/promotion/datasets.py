"""Labelled data in the artifact store: sent once, found again by its sha256."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from modelport.artifacts.base import Uploads
from modelport.artifacts.digest import files_of
from modelport.artifacts.durable import write_durably
from modelport.artifacts.manifest import may_be_called
from modelport.artifacts.uploads import Progress, file_digest, send_file
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.release.promotion.wish import DataRef
from modelport.runtimes.archives import unpack

#: What a folder of classes is called as one content.
_PACKED = ".tar"


def store_data(store: Uploads, path: Path, label: str = "", progress: Progress | None = None) -> DataRef:
    """See to it that the store has a data set, a file or a folder with a folder for each class.

    Raises InvalidInputError where there is none, and what the store raises.
    """
    name = path.absolute().name
    if path.is_dir():
        with tempfile.TemporaryDirectory(prefix="modelport-data-") as folder:
            packed = Path(folder) / f"{name}{_PACKED}"
            _pack(path, packed)
            return _stored(store, packed, packed.name, label, progress)
    if not path.is_file():
        raise InvalidInputError(f"there is no data set {str(path)!r}")
    return _stored(store, path, name, label, progress)


def fetch_data(store: Uploads, data: DataRef, folder: Path) -> Path:
    """Put a data set into `folder`, verified; gives where it is.

    Raises InvalidInputError for a name that no file can have, and for a folder of classes that can't be unpacked,
    NotFoundError where the store has not got it.
    """
    if not may_be_called(data.name):
        raise InvalidInputError(f"labelled data is called {data.name[:80]!r}, which no file can be")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / data.name
    write_durably(file, store.read(data.digest))
    if file.suffix != _PACKED:
        return file
    try:
        unpack(file, file.with_suffix(""))
    except InvalidModelError as error:
        raise InvalidInputError(f"the labelled data {data.name}: {error}") from None
    file.unlink()
    return file.with_suffix("")


def _stored(store: Uploads, path: Path, name: str, label: str, progress: Progress | None) -> DataRef:
    try:
        digest, size = file_digest(path), path.stat().st_size
        send_file(store, path, digest, size, progress)
    except InvalidModelError as error:  # the words of models: it can't be read, or changed meanwhile
        raise InvalidInputError(str(error)) from None
    return DataRef(digest, name, label)


def _pack(folder: Path, target: Path) -> None:
    """The same files give the same archive."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in files_of(folder):
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())
            member.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(member, content)
