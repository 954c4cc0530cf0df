"""The port of registries: in a database, or on a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from modelport.artifacts.base import Uploads
from modelport.core.errors import ConflictError
from modelport.registry.asked import LARGEST_PAGE
from modelport.registry.job_port import Jobs
from modelport.registry.records import AliasAt, By, EventRecord, ModelRecord, NewVersion, Verified, VersionRecord
from modelport.registry.references import Selector
from modelport.registry.release_port import PAGE, Releases

__all__ = ["LARGEST_PAGE", "PAGE", "MissingContentError", "Registry"]


class MissingContentError(ConflictError):
    """A version is pushed whose files the store has not got (any more): send them, and push again."""


class Registry(Releases, Jobs, Protocol):
    """Models and all that is known about them. Safe for threads, and for several processes on one registry.

    Each change is whole or not made, is on the disk when the call returns, and stands in the history with who made it
    and why. Every method raises NotFoundError for a model or version that is not there, InvalidInputError for names and
    texts that can't be, UnavailableError where the registry can't be reached.
    """

    @property
    def store(self) -> Uploads:
        """Where the files of versions are sent to and read from."""
        ...

    def models(self, after: str = "", limit: int = PAGE) -> list[ModelRecord]:
        """Models by name, beginning after one."""
        ...

    def model(self, name: str) -> ModelRecord:
        """One model."""
        ...

    def versions(self, name: str, before: int | None = None, limit: int = PAGE) -> list[VersionRecord]:
        """Versions of a model that were not deleted, newest first, beginning before one."""
        ...

    def version(self, name: str, selector: Selector = None) -> VersionRecord:
        """One version, with its manifest."""
        ...

    def push(self, name: str, new: NewVersion, by: By) -> VersionRecord:
        """Make the next version of a model, and the model where there is none of that name.

        Numbers are 1, 2, 3 … without gaps, and are never used again. Raises MissingContentError where files that the
        manifest names are not in the store.
        """
        ...

    def set_alias(self, name: str, alias: str, version: int, by: By, expect: int | None = None) -> None:
        """Let an alias name that version, past all gates. An open rollout of it is ended, as by `promote`.

        Raises ConflictError where it does not name `expect` now (0: no version).
        """
        ...

    def remove_alias(self, name: str, alias: str, by: By, expect: int | None = None) -> None:
        """Let an alias name nothing; an open rollout of it is ended. Raises ConflictError as `set_alias`."""
        ...

    def set_tags(self, name: str, version: int | None, changes: Mapping[str, str | None], by: By) -> None:
        """Set tags of a version, or of the model itself; those whose value is None are removed."""
        ...

    def describe(self, name: str, version: int | None, text: str, by: By) -> None:
        """Say what a version, or the model itself, is for."""
        ...

    def delete_version(self, name: str, version: int, by: By) -> None:
        """Delete a version. Raises ConflictError where an alias or an open rollout names it."""
        ...

    def delete_model(self, name: str, by: By) -> None:
        """Delete a model with all its versions. Raises ConflictError where an alias or an open rollout names one."""
        ...

    def history(self, name: str | None = None, before: int | None = None, limit: int = PAGE) -> list[EventRecord]:
        """What happened to a model (None: to all), newest first, beginning before an event's number."""
        ...

    def aliases_at(self, name: str, moment: str) -> list[AliasAt]:
        """Which versions the aliases of a model named at a moment (an ISO time)."""
        ...

    def verify(self, expect: str = "") -> Verified:
        """Go through the whole history: is each event as it was written, in its place, and is the registry as they say?

        `expect` is what `head` was at an earlier time; that event must still be there.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
