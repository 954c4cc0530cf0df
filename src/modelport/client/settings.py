"""What the two clients set up in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelport.client.address import parse_address
from modelport.client.dialects import Dialects, checked_dialect
from modelport.client.grpc_channel import check_possible
from modelport.client.protocol import Protocol
from modelport.client.status import Version, version_text
from modelport.core.errors import InvalidInputError

if TYPE_CHECKING:
    import ssl


class ClientBase:
    """The arguments of a client, read; and what it says about itself."""

    def __init__(
        self,
        url: str,
        timeout: float | None,
        headers: Mapping[str, str] | None,
        retries: int,
        dialect: str,
        tls: ssl.SSLContext | None,
        *,
        has_network: bool,
    ) -> None:
        self._address = parse_address(url)
        self.url = self._address.url
        self._timeout, self._retries = timeout, retries
        self._dialects = Dialects(checked_dialect(dialect), self._address if has_network else None)
        if dialect == "grpc":
            check_possible(self._address)
            if not has_network:
                raise InvalidInputError("dialect='grpc' can't go with a transport of your own: that carries HTTP alone")
        self._protocol = Protocol(self._dialects)
        self._setting: tuple[Any, ...] = (self._address, headers, timeout, tls)

    def dialect_for(self, name: str, version: Version = None, *, nbytes: int = 0) -> str:
        """The dialect that `infer` now takes for inputs of so many bytes: json, binary or grpc.

        `auto` where that is not decided yet, or not known before a first call.
        """
        return self._dialects.of(name, version_text(version), nbytes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url} {self._dialects.describe()}>"
