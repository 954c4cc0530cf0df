"""`/ping`, which TorchServe, SageMaker and MLflow share, and MLflow's `/health` and `/version`.

TorchServe's body is one that the others accept: SageMaker and MLflow look at the status only. SageMaker's documentation
has an empty body, which it gets where its environment is set.
"""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport import __version__
from modelport.engine.engine import Engine
from modelport.wire.json_tensors import dumps


def health_router(engine: Engine, *, empty: bool = False) -> APIRouter:
    """Health for load balancers. `empty` answers `/ping` without a body."""
    router = APIRouter(tags=["health"])

    @router.get("/ping", summary="Whether every model answers (TorchServe, SageMaker, MLflow)")
    async def ping() -> Response:
        status = 200 if engine.ready else 503
        if empty:
            return Response(status_code=status)
        body = dumps({"status": "Healthy" if engine.ready else "Unhealthy"})
        return Response(body, status, media_type="application/json")

    @router.get("/health", summary="Whether every model answers (MLflow)")
    async def health() -> Response:
        return Response(b"\n", 200 if engine.ready else 503, media_type="application/json")

    @router.get("/version", summary="The server's version (MLflow)")
    async def version() -> Response:
        return Response(__version__, media_type="application/json")

    return router
