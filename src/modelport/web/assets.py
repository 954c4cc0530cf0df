"""Style sheets, scripts and pictures of the pages, held in memory and served under a digest of all of them.

The digest is a folder of the address (`/static/<digest>/js/model.js`), so that modules which import each other by
relative addresses change their address together and can be cached for ever.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FOLDER = Path(__file__).parent / "static"
_DIGEST = re.compile(r"[0-9a-f]{16}/")
_FOR_EVER = "public, max-age=31536000, immutable"
#: The system's own table of types may lack or change these.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, type and ETag."""

    content: bytes
    media_type: str
    etag: str


class Assets:
    """The files of a folder, read once. `address` gives a file's path below the server's root."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
        marks = "".join(f"{name} {file.etag}\n" for name, file in self._files.items())
        self.digest = hashlib.sha256(marks.encode()).hexdigest()[:16]

    def address(self, name: str) -> str:
        """The cacheable path of a file, e.g. `/static/0123456789abcdef/css/base.css`. Raises KeyError for no file."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer GET /static/{path}: with or without a digest, for ever cacheable only under the present one."""
        path: str = request.path_params["path"]
        name = _DIGEST.sub("", path, count=1) if _DIGEST.match(path) else path
        file = self._files.get(name)
        if file is None:
            return PlainTextResponse("no such file", status_code=404)
        present = path == f"{self.digest}/{name}"
        return _response(file, request.headers.get("if-none-match", ""), _FOR_EVER if present else "no-cache")

    async def icon(self, request: Request) -> Response:
        """Answer GET /favicon.ico, which browsers ask for on pages that name no icon."""
        return _response(self._files["logo.svg"], request.headers.get("if-none-match", ""), "public, max-age=86400")


def _response(file: Asset, known: str, cache: str) -> Response:
    headers = {"ETag": file.etag, "Cache-Control": cache, "X-Content-Type-Options": "nosniff"}
    if file.etag in (mark.strip().removeprefix("W/") for mark in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(content, guessed, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
