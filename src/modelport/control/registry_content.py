"""`/api/v1/registry/content`: the files of versions by their sha256, sent and fetched in parts."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from modelport.control.registry import Opened, reply
from modelport.core.errors import NotFoundError, TooLargeError


def content_router(opened: Opened) -> APIRouter:
    """Sending and fetching content. An upload that was broken off goes on with the parts that are missing."""
    router = APIRouter(prefix="/api/v1/registry/content", tags=["registry"])

    @router.get("/{digest}", summary="How large a content is")
    def size(digest: str) -> Response:
        found = opened.store.size(digest)
        if found is None:
            raise NotFoundError(f"sha256:{digest} is not in the artifact store")
        return reply({"size": found, "part_size": opened.store.part_size})

    @router.get("/{digest}/parts/{number}", summary="One part of a content")
    def part(digest: str, number: int) -> Response:
        return Response(opened.store.part(digest, max(number, 0)), media_type="application/octet-stream")

    @router.get("/{digest}/upload", summary="Which parts came already")
    def parts(digest: str, size: int) -> Response:
        store = opened.store
        return reply({"parts": sorted(store.parts(digest, size)), "part_size": store.part_size})

    @router.put("/{digest}/upload/{number}", summary="Send one part")
    async def put_part(digest: str, number: int, size: int, request: Request) -> Response:
        store = await asyncio.to_thread(lambda: opened.store)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > store.part_size:
                raise TooLargeError(f"a part is at most {store.part_size} bytes long")
        await asyncio.to_thread(store.put_part, digest, size, number, bytes(body))
        return Response(status_code=204)

    @router.post("/{digest}/upload", summary="Make one content of the parts")
    def finish(digest: str, size: int) -> Response:
        opened.store.finish(digest, size)
        return Response(status_code=204)

    return router
