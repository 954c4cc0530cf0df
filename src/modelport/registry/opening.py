"""The registry that settings name: in a home folder, or in a database and a store that several machines use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from modelport.core.errors import InvalidInputError

if TYPE_CHECKING:
    from modelport.registry.sql import SqlRegistry


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """Where the registry is. Frozen; read once at start."""

    home: str = field(
        default="", metadata={"help": "Folder of the registry and its artifacts; ~/.modelport where none is named."}
    )
    registry: str = field(
        default="",
        metadata={"help": "The registry's database: postgresql://user@host/name, or sqlite:///path; else one in home."},
    )
    artifacts: str = field(
        default="",
        metadata={"help": "Where artifacts are stored: s3://bucket/prefix, or a folder; else the folder in home."},
    )

    @property
    def folder(self) -> Path:
        """The home folder, also where none is named."""
        return Path(self.home or "~/.modelport").expanduser().absolute()

    @property
    def named(self) -> bool:
        """Whether any of it was said."""
        return bool(self.home or self.registry)


def registry_settings(environment: Mapping[str, str], home: str = "", registry: str = "") -> RegistrySettings:
    """What the command line says, else MODELPORT_HOME, MODELPORT_REGISTRY and MODELPORT_ARTIFACTS."""
    return RegistrySettings(
        home or environment.get("MODELPORT_HOME", ""),
        registry or environment.get("MODELPORT_REGISTRY", ""),
        environment.get("MODELPORT_ARTIFACTS", ""),
    )


def open_registry(settings: RegistrySettings) -> SqlRegistry:
    """The registry, made where there is none. Raises InvalidInputError, MissingExtraError, UnavailableError."""
    from modelport.artifacts.opening import open_store  # noqa: PLC0415 - serving a file needs no database
    from modelport.db.opening import open_database  # noqa: PLC0415
    from modelport.registry.sql import SqlRegistry  # noqa: PLC0415

    url = settings.registry
    if url.startswith(("http://", "https://")):
        raise InvalidInputError(f"{url} is a server: name it with --server")
    store = open_store(settings.artifacts or settings.folder / "artifacts")
    return SqlRegistry(open_database(url or settings.folder / "registry.db"), store)
