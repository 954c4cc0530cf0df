"""The port of those dialects that load and unload models: what they need of the server's lifecycle."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class ModelControl(Protocol):
    """Loads and unloads by name. Called on the event loop's thread; both return when the change is done."""

    async def load(self, name: str, path: Path) -> None:
        """Serve what is at `path` (a file, a folder with a model, or a version tree) as `name`.

        Raises ConflictError where `name` is served already, NotFoundError where nothing is there, InvalidModelError,
        MissingExtraError, OutOfResourcesError where it does not fit.
        """

    async def unload(self, name: str) -> None:
        """Serve `name` no longer. Raises NotFoundError."""
