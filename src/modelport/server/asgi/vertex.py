"""Vertex AI's health route. Source: Vertex AI's "Custom container requirements for prediction"."""

from __future__ import annotations

from fastapi import APIRouter, Response

from modelport.engine.engine import Engine
from modelport.wire.json_tensors import dumps

#: What `AIP_HEALTH_ROUTE` is where a model's container names none.
_DEFAULT = "/v1/endpoints/{endpoint}/deployedModels/{deployed_model}"


def vertex_router(engine: Engine, health_route: str = "") -> APIRouter:
    """GET of the health route: 200 once every model answers, before that 503. `health_route` is `AIP_HEALTH_ROUTE`.

    It has to stand before other routers: the route may be one of theirs, such as `/ping`.
    """
    router = APIRouter(tags=["vertex ai"])

    async def health() -> Response:
        body = dumps({"status": "ready" if engine.ready else "not ready"})
        return Response(body, 200 if engine.ready else 503, media_type="application/json")

    for number, route in enumerate(dict.fromkeys(route for route in (health_route, _DEFAULT) if route)):
        path = route if route == _DEFAULT else route.replace("{", "").replace("}", "")
        router.add_api_route(
            path, health, methods=["GET"], summary="Health (Vertex AI)", name=f"vertex_health_{number}"
        )
    return router
