"""Where a server is: what a URL says, the proxy that leads there, and what every request to it carries."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from modelport import __version__
from modelport.core.errors import InvalidInputError

#: Compressing tensors costs more time than it saves, except over slow lines: who has one sets the header.
_HEADERS = {"accept-encoding": "identity", "user-agent": f"modelport/{__version__}"}
_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_HOST = re.compile(r"[\x00-\x20\x7f]")
_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of Proxy-Authorization, or empty."""

    host: str
    port: int
    authorization: str


@dataclass(frozen=True, slots=True)
class Address:
    """A server. `url` has no last slash; `prefix` is the path that its own paths stand below; `netloc` as for Host."""

    url: str
    tls: bool
    host: str
    port: int
    prefix: str
    netloc: str
    authorization: str
    proxy: Proxy | None


def parse_address(url: str) -> Address:
    """The address in a URL; `localhost:8000` is http. Raises InvalidInputError for other schemes.

    A proxy is taken from the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), except to this machine itself.
    """
    full = url if "://" in url else f"http://{url}"
    parts, port = _split(url, full)
    host = _ascii(url, parts.hostname or "")
    if parts.scheme not in _PORTS or not host:
        raise InvalidInputError(f"{url!r} is not the URL of a server; it should look like http://127.0.0.1:8000")
    if parts.query or parts.fragment:
        raise InvalidInputError(f"{url!r} is not the URL of a server: it has a query, which a server's address has not")
    shown = f"[{host}]" if ":" in host else host
    return Address(
        url=full.rstrip("/"),
        tls=parts.scheme == "https",
        host=host,
        port=port or _PORTS[parts.scheme],
        prefix=quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~"),
        netloc=shown if port in (None, _PORTS[parts.scheme]) else f"{shown}:{port}",
        authorization=_basic(parts),
        proxy=_proxy(parts.scheme, host),
    )


def fixed_headers(address: Address, headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of every request by lower-case name: the client's own where the caller gives no other.

    Raises InvalidInputError for what can't be a header.
    """
    merged = {"host": address.netloc, **_HEADERS}
    if address.authorization:
        merged["authorization"] = address.authorization
    if address.proxy is not None and address.proxy.authorization and not address.tls:
        merged["proxy-authorization"] = address.proxy.authorization
    for name, value in (headers or {}).items():
        if _TOKEN.fullmatch(name) is None:
            raise InvalidInputError(f"{name!r} can't be the name of a header")
        if _BAD_VALUE.search(value) or not value.isascii():
            raise InvalidInputError(f"the header {name!r} has characters that no header can have")
        merged[name.lower()] = value.strip()
    return merged


def _split(url: str, full: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(full)
        return parts, parts.port
    except ValueError as error:
        raise InvalidInputError(f"{url!r} is not a URL: {error}") from None


def _ascii(url: str, host: str) -> str:
    try:
        written = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        written = " "
    if _BAD_HOST.search(written):
        raise InvalidInputError(f"{url!r} is not a URL: {host!r} can't be the name of a host")
    return written


def _basic(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _proxy(scheme: str, host: str) -> Proxy | None:
    if not any(name.lower() in _PROXY_VARIABLES for name in os.environ) or _is_here(host):
        return None
    # slow to import, and rarely needed
    from urllib.request import getproxies_environment, proxy_bypass  # noqa: PLC0415

    found = getproxies_environment()
    url = found.get(scheme) or found.get("all")
    if not url or proxy_bypass(host):
        return None
    parts, port = _split(url, url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidInputError(f"the environment sets the proxy {url!r}; only http:// proxies are supported")
    return Proxy(parts.hostname, port or 80, _basic(parts))


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
