"""The request log of a server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from modelport.client.address import parse_address
from modelport.client.exchange import Request, accepted
from modelport.client.pool import Pool
from modelport.core.errors import InternalError
from modelport.release.replaying import Replay, Tolerance

_BELOW = "/api/v1/requests"


class RemoteRequests:
    """What a `modelport serve` logged. `timeout` is in seconds, for each wait. Raises ModelportError."""

    def __init__(self, url: str, timeout: float | None = 60) -> None:
        address = parse_address(url)
        self.url = address.url
        self._pool = Pool(address, None, timeout, None)

    def newest(self, **wanted: Any) -> list[dict[str, Any]]:
        """The newest requests, as the API says: model, version, errors, since, before, limit."""
        given = {key: str(value).lower() if value is True else value for key, value in wanted.items() if value}
        found = self._ask(Request("GET", f"{_BELOW}?{urlencode(given)}"))
        return list(msgspec.json.decode(found)["requests"])

    def find(self, request_id: str, elements: int) -> dict[str, Any]:
        """One request, with so many elements of each tensor."""
        path = f"{_BELOW}/{quote(request_id, safe='')}?{urlencode({'elements': elements})}"
        return dict(msgspec.json.decode(self._ask(Request("GET", path))))

    def replay(self, request_id: str, against: int | str | None, tolerance: Tolerance) -> Replay:
        """The request, asked again of a version that is served there (None: the one that answers by default)."""
        body = {"against": against, "relative": tolerance.relative, "absolute": tolerance.absolute}
        path = f"{_BELOW}/{quote(request_id, safe='')}/replay"
        content = (msgspec.json.encode(body),)
        found = self._ask(Request("POST", path, content, {"content-type": "application/json"}))
        try:
            return msgspec.json.decode(found, type=Replay)
        except msgspec.DecodeError as error:
            raise InternalError(f"the answer of {self.url} is not what a replay says: {error}") from None

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.close()

    def _ask(self, request: Request) -> bytes:
        return bytes(accepted(self._pool(request)).body)
