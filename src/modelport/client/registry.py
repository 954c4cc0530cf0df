"""The registry of a server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from modelport.client.address import parse_address
from modelport.client.broken import NoAnswerError
from modelport.client.exchange import Request, Response, accepted
from modelport.client.pool import Pool
from modelport.client.registry_content import RemoteContent
from modelport.client.retry import Attempts
from modelport.core.errors import InternalError
from modelport.core.references import check_model_name
from modelport.registry.base import PAGE
from modelport.registry.records import AliasAt, By, EventRecord, ModelRecord, NewVersion, Verified, VersionRecord
from modelport.registry.references import Selector, check_alias

_T = TypeVar("_T")
_BELOW = "/api/v1/registry"


class RemoteRegistry:
    """A Registry behind `modelport serve`. `timeout` is in seconds, for each wait. Safe for threads."""

    def __init__(
        self, url: str, timeout: float | None = 60, headers: Mapping[str, str] | None = None, retries: int = 2
    ) -> None:
        address = parse_address(url)
        self.url, self._timeout, self._retries = address.url, timeout, retries
        self._pool = Pool(address, headers, timeout, None)
        self.store = RemoteContent(self._ask, lambda request: self._as(Any, request))

    def models(self, after: str = "", limit: int = PAGE) -> list[ModelRecord]:
        """As the port says."""
        return self._get(list[ModelRecord], "/models", after=after, limit=limit)

    def model(self, name: str) -> ModelRecord:
        """As the port says."""
        return self._get(ModelRecord, _model(name))

    def versions(self, name: str, before: int | None = None, limit: int = PAGE) -> list[VersionRecord]:
        """As the port says."""
        return self._get(list[VersionRecord], f"{_model(name)}/versions", before=before, limit=limit)

    def version(self, name: str, selector: Selector = None) -> VersionRecord:
        """As the port says."""
        chosen = "latest" if selector is None else quote(str(selector), safe="")
        return self._get(VersionRecord, f"{_model(name)}/versions/{chosen}")

    def push(self, name: str, new: NewVersion, by: By) -> VersionRecord:
        """As the port says."""
        path = f"{_model(check_model_name(name))}/versions"
        return self._as(VersionRecord, _request("POST", path, {"version": new, "by": by}))

    def set_alias(self, name: str, alias: str, version: int, by: By, expect: int | None = None) -> None:
        """As the port says."""
        body = {"version": version, "by": by, "expect": expect}
        self._ask(_request("PUT", f"{_model(name)}/aliases/{check_alias(alias)}", body))

    def remove_alias(self, name: str, alias: str, by: By, expect: int | None = None) -> None:
        """As the port says."""
        body = {"by": by, "expect": expect}
        self._ask(_request("PUT", f"{_model(name)}/aliases/{check_alias(alias)}", body))

    def set_tags(self, name: str, version: int | None, changes: Mapping[str, str | None], by: By) -> None:
        """As the port says."""
        self._ask(_request("PATCH", _model(name), {"version": version, "tags": dict(changes), "by": by}))

    def describe(self, name: str, version: int | None, text: str, by: By) -> None:
        """As the port says."""
        self._ask(_request("PATCH", _model(name), {"version": version, "description": text, "by": by}))

    def delete_version(self, name: str, version: int, by: By) -> None:
        """As the port says."""
        self._ask(Request("DELETE", f"{_BELOW}{_model(name)}/versions/{version}{_query(who=by.who, why=by.why)}"))

    def delete_model(self, name: str, by: By) -> None:
        """As the port says."""
        self._ask(Request("DELETE", f"{_BELOW}{_model(name)}{_query(who=by.who, why=by.why)}"))

    def history(self, name: str | None = None, before: int | None = None, limit: int = PAGE) -> list[EventRecord]:
        """As the port says."""
        return self._get(list[EventRecord], "/history", model=name, before=before, limit=limit)

    def aliases_at(self, name: str, moment: str) -> list[AliasAt]:
        """As the port says."""
        return self._get(list[AliasAt], f"{_model(name)}/aliases", at=moment)

    def verify(self, expect: str = "") -> Verified:
        """As the port says."""
        return self._get(Verified, "/verify", expect=expect)

    def close(self) -> None:
        """As the port says."""
        self._pool.close()

    def _get(self, kind: type[_T], path: str, **query: Any) -> _T:
        return self._as(kind, Request("GET", f"{_BELOW}{path}{_query(**query)}"))

    def _as(self, kind: type[_T], request: Request) -> _T:
        body = bytes(self._ask(request).body)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise InternalError(f"the answer of {self.url} is not what a registry says: {error}") from None

    def _ask(self, request: Request) -> Response:
        attempts = Attempts(request, self._retries, self.url, self._timeout)
        while True:
            pause: float | None
            try:
                response = self._pool(request)
            except NoAnswerError as error:
                pause = attempts.after_failure(error)
            else:
                pause = attempts.after_response(response)
                if pause is None:
                    return accepted(response)
            time.sleep(pause)


def _model(name: str) -> str:
    return f"/models/{quote(name, safe='')}"


def _query(**words: Any) -> str:
    given = {key: value for key, value in words.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def _request(method: str, path: str, body: Any) -> Request:
    content = msgspec.json.encode(body)
    return Request(method, f"{_BELOW}{path}", (content,), {"content-type": "application/json"})
