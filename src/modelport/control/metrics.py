"""`/metrics`: the whole server's numbers, whichever worker answers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport.engine.metrics.exposition import CONTENT_TYPE, exposition
from modelport.engine.metrics.metrics import Metrics


def metrics_router(metrics: Metrics, names: str = "modelport") -> APIRouter:
    """For Prometheus; `names` as `exposition` takes them."""
    router = APIRouter(tags=["management"])

    @router.get("/metrics", summary="Metrics in Prometheus text format")
    async def all_metrics() -> Response:
        return Response(exposition(metrics, names), headers={"content-type": CONTENT_TYPE})

    return router
