"""Triton's shared-memory extension: which regions there are, registering and forgetting them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from modelport.core.errors import NotFoundError, UnsupportedError
from modelport.server.asgi.json_body import field, json_object, json_reply
from modelport.server.shared_memory import NO_CUDA, SharedMemory


def shared_memory_router(memory: SharedMemory) -> APIRouter:
    """`/v2/systemsharedmemory` and, to say that there is none, `/v2/cudasharedmemory`."""
    router = APIRouter(prefix="/v2", tags=["open inference protocol"])
    _add_system(router, memory)
    _add_cuda(router)
    return router


def _add_system(router: APIRouter, memory: SharedMemory) -> None:
    @router.get("/systemsharedmemory/status", summary="All regions of shared memory")
    @router.get("/systemsharedmemory/region/{region}/status", summary="A region of shared memory")
    async def status(region: str | None = None) -> Response:
        return json_reply([_described(item) for item in memory.regions(region)])

    @router.post("/systemsharedmemory/region/{region}/register", summary="Register a region of shared memory")
    async def register(region: str, request: Request) -> Response:
        body = await json_object(request)
        place = field(body, "offset", int, 0), field(body, "byte_size", int)
        memory.register(region, field(body, "key", str), *place)
        return Response()

    @router.post("/systemsharedmemory/unregister", summary="Forget all regions")
    @router.post("/systemsharedmemory/region/{region}/unregister", summary="Forget a region")
    async def unregister(region: str | None = None) -> Response:
        memory.unregister(region)
        return Response()


def _described(region: object) -> dict[str, object]:
    return {name: getattr(region, name) for name in ("name", "key", "offset", "byte_size")}


def _add_cuda(router: APIRouter) -> None:
    """Nothing can be registered; that nothing is, and that all of it be forgotten, is answered: clients begin so."""

    @router.get("/cudasharedmemory/status", include_in_schema=False)
    @router.get("/cudasharedmemory/region/{region}/status", include_in_schema=False)
    async def status(region: str | None = None) -> Response:
        if region is not None:
            raise NotFoundError(f"no CUDA shared-memory region {region[:200]!r} is registered: {NO_CUDA}")
        return json_reply([])

    @router.post("/cudasharedmemory/region/{region}/register", include_in_schema=False)
    async def register(region: str) -> Response:
        raise UnsupportedError(NO_CUDA)

    @router.post("/cudasharedmemory/unregister", include_in_schema=False)
    @router.post("/cudasharedmemory/region/{region}/unregister", include_in_schema=False)
    async def unregister(region: str | None = None) -> Response:
        return Response()
