"""The artifact store behind a server, as who pushes and pulls sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from modelport.artifacts.base import check_digest, part_count, verified
from modelport.client.exchange import Request, Response
from modelport.core.errors import NotFoundError

#: Sends a request; gives the response of one that was accepted, and raises the error of another.
Ask = Callable[[Request], Response]
_BELOW = "/api/v1/registry/content"


class RemoteContent:
    """Uploads through a server. Safe for threads."""

    def __init__(self, ask: Ask, document: Callable[[Request], Any]) -> None:
        self._ask, self._document = ask, document
        self._part_size = 0

    @property
    def part_size(self) -> int:
        """As long as the server wants the parts, asked for once."""
        if not self._part_size:
            self._part_size = self._upload("0" * 64, 0)["part_size"]
        return self._part_size

    def size(self, digest: str) -> int | None:
        """As the port says."""
        try:
            return int(self._document(Request("GET", f"{_BELOW}/{check_digest(digest)}"))["size"])
        except NotFoundError:
            return None

    def parts(self, digest: str, size: int) -> frozenset[int]:
        """As the port says."""
        return frozenset(self._upload(digest, size)["parts"])

    def put_part(self, digest: str, size: int, number: int, content: bytes) -> None:
        """As the port says."""
        path = f"{_BELOW}/{check_digest(digest)}/upload/{number}?size={size}"
        self._ask(Request("PUT", path, (content,), {"content-type": "application/octet-stream"}))

    def finish(self, digest: str, size: int) -> None:
        """As the port says."""
        self._ask(Request("POST", f"{_BELOW}/{check_digest(digest)}/upload?size={size}"))

    def part(self, digest: str, number: int) -> bytes:
        """As the port says."""
        return bytes(self._ask(Request("GET", f"{_BELOW}/{check_digest(digest)}/parts/{number}")).body)

    def read(self, digest: str) -> Iterator[bytes]:
        """As the port says: verified here."""
        size = self.size(digest)
        if size is None:
            raise NotFoundError(f"sha256:{digest} is not in the artifact store")
        numbers = range(part_count(size, self.part_size))
        yield from verified(digest, (self.part(digest, number) for number in numbers))

    def _upload(self, digest: str, size: int) -> Any:
        return self._document(Request("GET", f"{_BELOW}/{check_digest(digest)}/upload?size={size}"))
