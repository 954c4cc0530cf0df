"""What the two clients share of httpx: how it is set up, and requests and responses in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from modelport import __version__
from modelport.client.exchange import Request, Response
from modelport.core.errors import InternalError, InvalidInputError

#: Compressing tensors costs more time than it saves, except over slow lines: who has one sets the header.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"modelport/{__version__}"}

#: Idle connections are given up before servers close them, which most do after 5 seconds or more: a request that meets
#: such a close half-way is lost, and can't be sent again without knowing whether it was acted on.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=4)


def checked_url(url: str) -> str:
    """The URL without its last slash; `localhost:8000` is http. Raises InvalidInputError for other schemes."""
    full = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(full)
    except httpx.InvalidURL as error:
        raise InvalidInputError(f"{url!r} is not a URL: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInputError(f"{url!r} is not the URL of a server; it should look like http://127.0.0.1:8000")
    return full.rstrip("/")


def settings(timeout: float | None, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """Arguments for either of httpx's clients."""
    return {"timeout": httpx.Timeout(timeout), "limits": LIMITS, "headers": {**HEADERS, **(headers or {})}}


def outgoing(request: Request, url: str) -> dict[str, Any]:
    """Arguments for `request()` of either of httpx's clients."""
    content = request.body if request.method == "POST" else None
    return {"method": request.method, "url": url + request.path, "content": content, "headers": dict(request.headers)}


def incoming(response: httpx.Response) -> Response:
    """A response whose body has been read."""
    return Response(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def undecodable(error: httpx.DecodingError) -> InternalError:
    """The error for a body that is not in the Content-Encoding that it claims."""
    return InternalError(f"the server's answer does not decompress: {error}")
