"""A version's files out of a store into a folder, all of them or none."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from modelport.artifacts.base import Uploads
from modelport.artifacts.durable import make_folder, sync_folder, write_durably
from modelport.artifacts.manifest import Manifest, check_manifest
from modelport.artifacts.uploads import Progress
from modelport.core.errors import ConflictError, InvalidInputError


def check_out(store: Uploads, manifest: Manifest, folder: Path, progress: Progress | None = None) -> Path:
    """Make `folder` of the manifest's files, each verified; gives the path of the model in it.

    The folder must not exist, or be empty. It appears when all is there: a crash leaves at most a hidden folder beside
    it. Raises ConflictError where something lies there, InvalidModelError for damaged content, NotFoundError for
    content that the store has not got.
    """
    check_manifest(manifest)
    whole = folder.absolute()
    if whole.exists() and (not whole.is_dir() or any(whole.iterdir())):
        raise ConflictError(f"{folder} exists already and is not empty: name a new folder")
    making = whole.with_name(f".{whole.name}-{secrets.token_hex(6)}")
    try:
        make_folder(making)
        for file in manifest.files:
            target = making / file.path
            make_folder(target.parent)
            write_durably(target, store.read(file.sha256))
            if progress is not None:
                progress(file.size)
        making.rename(whole)  # takes the place of an empty folder
        sync_folder(whole.parent)
    except OSError as error:
        raise InvalidInputError(f"{folder} can't be written: {error.strerror}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return whole / manifest.name if manifest.kind == "file" else whole
