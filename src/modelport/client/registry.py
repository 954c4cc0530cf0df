"""The registry of a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from modelport.client.registry_calls import model_path
from modelport.client.registry_content import RemoteContent
from modelport.client.registry_jobs import RemoteJobs
from modelport.client.registry_releases import RemoteReleases
from modelport.core.references import check_model_name
from modelport.registry.base import PAGE
from modelport.registry.records import AliasAt, By, EventRecord, ModelRecord, NewVersion, Verified, VersionRecord
from modelport.registry.references import Selector, check_alias


class RemoteRegistry(RemoteReleases, RemoteJobs):
    """A Registry behind `modelport serve`. `timeout` is in seconds, for each wait. Safe for threads."""

    def __init__(
        self, url: str, timeout: float | None = 60, headers: Mapping[str, str] | None = None, retries: int = 2
    ) -> None:
        super().__init__(url, timeout, headers, retries)
        self.store = RemoteContent(self._ask, lambda request: self._as(Any, request))

    def models(self, after: str = "", limit: int = PAGE) -> list[ModelRecord]:
        """As the port says."""
        return self._get(list[ModelRecord], "/models", after=after, limit=limit)

    def model(self, name: str) -> ModelRecord:
        """As the port says."""
        return self._get(ModelRecord, model_path(name))

    def versions(self, name: str, before: int | None = None, limit: int = PAGE) -> list[VersionRecord]:
        """As the port says."""
        return self._get(list[VersionRecord], f"{model_path(name)}/versions", before=before, limit=limit)

    def version(self, name: str, selector: Selector = None) -> VersionRecord:
        """As the port says."""
        chosen = "latest" if selector is None else quote(str(selector), safe="")
        return self._get(VersionRecord, f"{model_path(name)}/versions/{chosen}")

    def push(self, name: str, new: NewVersion, by: By) -> VersionRecord:
        """As the port says."""
        path = f"{model_path(check_model_name(name))}/versions"
        return self._send(VersionRecord, "POST", path, {"version": new, "by": by})

    def set_alias(self, name: str, alias: str, version: int, by: By, expect: int | None = None) -> None:
        """As the port says."""
        body = {"version": version, "by": by, "expect": expect}
        self._tell("PUT", f"{model_path(name)}/aliases/{check_alias(alias)}", body)

    def remove_alias(self, name: str, alias: str, by: By, expect: int | None = None) -> None:
        """As the port says."""
        body = {"by": by, "expect": expect}
        self._tell("PUT", f"{model_path(name)}/aliases/{check_alias(alias)}", body)

    def set_tags(self, name: str, version: int | None, changes: Mapping[str, str | None], by: By) -> None:
        """As the port says."""
        self._tell("PATCH", model_path(name), {"version": version, "tags": dict(changes), "by": by})

    def describe(self, name: str, version: int | None, text: str, by: By) -> None:
        """As the port says."""
        self._tell("PATCH", model_path(name), {"version": version, "description": text, "by": by})

    def delete_version(self, name: str, version: int, by: By) -> None:
        """As the port says."""
        self._remove(f"{model_path(name)}/versions/{version}", who=by.who, why=by.why)

    def delete_model(self, name: str, by: By) -> None:
        """As the port says."""
        self._remove(model_path(name), who=by.who, why=by.why)

    def history(self, name: str | None = None, before: int | None = None, limit: int = PAGE) -> list[EventRecord]:
        """As the port says."""
        return self._get(list[EventRecord], "/history", model=name, before=before, limit=limit)

    def aliases_at(self, name: str, moment: str) -> list[AliasAt]:
        """As the port says."""
        return self._get(list[AliasAt], f"{model_path(name)}/aliases", at=moment)

    def verify(self, expect: str = "") -> Verified:
        """As the port says."""
        return self._get(Verified, "/verify", expect=expect)
