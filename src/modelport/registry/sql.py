"""The registry in a database, beside an artifact store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from modelport.artifacts.base import ArtifactStore
from modelport.artifacts.collection import Collected, collect
from modelport.artifacts.manifest import File
from modelport.artifacts.uploads import send_bytes
from modelport.db.database import Database
from modelport.registry import changes, deletions, moves, pushes, reading
from modelport.registry.asked import asked_id, asked_name, asked_number, page
from modelport.registry.base import PAGE
from modelport.registry.desire import Manifests
from modelport.registry.events import history
from modelport.registry.moments import aliases_at
from modelport.registry.records import (
    AliasAt,
    By,
    EventRecord,
    ModelRecord,
    NewVersion,
    Verified,
    VersionRecord,
    parse_moment,
)
from modelport.registry.references import Selector, check_text
from modelport.registry.sql_jobs import SqlJobs
from modelport.registry.sql_releases import SqlReleases
from modelport.registry.verification import verify


class SqlRegistry(SqlReleases, SqlJobs):
    """A Registry. `store` has to be the one that everybody uses with this database."""

    def __init__(self, database: Database, store: ArtifactStore) -> None:
        self._database = database
        self.store: ArtifactStore = store
        self._manifests: Manifests = {}

    def models(self, after: str = "", limit: int = PAGE) -> list[ModelRecord]:
        """As the port says."""
        with self._database.read() as connection:
            return reading.list_models(connection, check_text(after, "the name to begin after"), page(limit))

    def model(self, name: str) -> ModelRecord:
        """As the port says."""
        with self._database.read() as connection:
            return reading.model_records(connection, [reading.find_model(connection, asked_name(name))])[0]

    def versions(self, name: str, before: int | None = None, limit: int = PAGE) -> list[VersionRecord]:
        """As the port says."""
        with self._database.read() as connection:
            model = reading.find_model(connection, asked_name(name))
            return reading.list_versions(
                connection, model, None if before is None else asked_number(before), page(limit)
            )

    def version(self, name: str, selector: Selector = None) -> VersionRecord:
        """As the port says."""
        with self._database.read() as connection:
            model = reading.find_model(connection, asked_name(name))
            chosen = asked_number(selector) if isinstance(selector, int) else selector
            row = reading.find_version(connection, model, chosen)
            return reading.version_records(connection, model, [row])[0]

    def push(self, name: str, new: NewVersion, by: By) -> VersionRecord:
        """As the port says."""
        new = replace(new, push_id=new.push_id[:64])
        pushes.check_push(name, new)
        text = new.manifest.to_json()
        manifest_digest = send_bytes(self.store, text)
        needed = (*new.manifest.files, File("the manifest", len(text), manifest_digest))
        with self._database.write() as connection:
            made = pushes.pushed_before(connection, new.push_id)
            if made is None:
                pushes.check_stored(self.store, needed)
                made = (name, pushes.make_version(connection, name, new, manifest_digest, by))
                if new.alias:
                    moves.set_alias(connection, name, new.alias, made[1], by, None)
        return self.version(*made)

    def set_alias(self, name: str, alias: str, version: int, by: By, expect: int | None = None) -> None:
        """As the port says."""
        with self._database.write() as connection:
            moves.set_alias(connection, asked_name(name), alias, asked_number(version), by, expect)

    def remove_alias(self, name: str, alias: str, by: By, expect: int | None = None) -> None:
        """As the port says."""
        with self._database.write() as connection:
            moves.remove_alias(connection, asked_name(name), alias, by, expect)

    def set_tags(self, name: str, version: int | None, changes_: Mapping[str, str | None], by: By) -> None:
        """As the port says."""
        with self._database.write() as connection:
            changes.set_tags(
                connection, asked_name(name), None if version is None else asked_number(version), changes_, by
            )

    def describe(self, name: str, version: int | None, text: str, by: By) -> None:
        """As the port says."""
        with self._database.write() as connection:
            changes.describe(connection, asked_name(name), None if version is None else asked_number(version), text, by)

    def delete_version(self, name: str, version: int, by: By) -> None:
        """As the port says."""
        with self._database.write() as connection:
            deletions.delete_version(connection, asked_name(name), asked_number(version), by)

    def delete_model(self, name: str, by: By) -> None:
        """As the port says."""
        with self._database.write() as connection:
            deletions.delete_model(connection, asked_name(name), by)

    def history(self, name: str | None = None, before: int | None = None, limit: int = PAGE) -> list[EventRecord]:
        """As the port says. The events of a model that was deleted are there still."""
        with self._database.read() as connection:
            if name is not None:
                name = asked_name(name)
            found = history(connection, name, None if before is None else asked_id(before), page(limit))
            if not found and name is not None:
                reading.find_model(connection, name)
            return found

    def aliases_at(self, name: str, moment: str) -> list[AliasAt]:
        """As the port says."""
        with self._database.read() as connection:
            return aliases_at(connection, asked_name(name), parse_moment(moment))

    def verify(self, expect: str = "") -> Verified:
        """As the port says."""
        with self._database.read() as connection:
            return verify(connection, expect)

    def collect(self, grace: float, *, dry: bool = False) -> Collected:
        """Remove stored content that no version, gate or open job names and that is older than `grace` seconds."""
        return collect(self.store, self._held_off, grace, dry=dry)

    def close(self) -> None:
        """As the port says."""
        self._database.close()

    @contextmanager
    def _held_off(self, digests: Sequence[str]) -> Iterator[set[str]]:
        """Those of the digests that are named; while the block runs, nobody begins to name one."""
        with self._database.write() as connection:
            yield deletions.named_content(connection, digests)
