"""Calls to the registry of a server: records in, records out."""

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
from modelport.client.retry import Attempts
from modelport.core.errors import InternalError, InvalidInputError

_T = TypeVar("_T")
_BELOW = "/api/v1/registry"


class RegistryCalls:
    """What the parts of a RemoteRegistry are made of. `timeout` is in seconds, for each wait. Safe for threads."""

    #: Who is asked, as errors call it.
    _asked = "a registry"

    def __init__(
        self, url: str, timeout: float | None = 60, headers: Mapping[str, str] | None = None, retries: int = 2
    ) -> None:
        address = parse_address(url)
        self.url, self._timeout, self._retries = address.url, timeout, retries
        self._pool = Pool(address, headers, timeout, None)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _get(self, kind: type[_T], path: str, **query: Any) -> _T:
        return self._as(kind, Request("GET", f"{_BELOW}{path}{query_text(**query)}"))

    def _send(self, kind: type[_T], method: str, path: str, body: Any) -> _T:
        """The answer to a body that is sent."""
        return self._as(kind, body_request(method, path, body))

    def _tell(self, method: str, path: str, body: Any) -> None:
        """Send a body to which there is no answer but that it was done."""
        self._ask(body_request(method, path, body))

    def _remove(self, path: str, **query: Any) -> None:
        self._ask(Request("DELETE", f"{_BELOW}{path}{query_text(**query)}"))

    def _as(self, kind: type[_T], request: Request) -> _T:
        body = bytes(self._ask(request).body)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise InternalError(f"the answer of {self.url} is not what {self._asked} says: {error}") from None

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


def model_path(name: str) -> str:
    """Below what a model's things are."""
    return f"/models/{quote(name, safe='')}"


def query_text(**words: Any) -> str:
    """The query of a URL, without what is not said."""
    given = {key: value for key, value in words.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def body_request(method: str, path: str, body: Any) -> Request:
    """A request with a body of JSON. Raises InvalidInputError for what is none."""
    try:
        content = msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidInputError(f"{path} takes JSON: {error}") from None
    return Request(method, f"{_BELOW}{path}", (content,), {"content-type": "application/json"})
