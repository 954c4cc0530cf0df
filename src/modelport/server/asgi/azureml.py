"""Azure Machine Learning's inference server without POST of `/score`: liveness, swagger, GET of `/score`, preflights.

Source: `azureml-inference-server-http`, `server/routes.py`, `server/swagger.py` and its templates.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from modelport.engine.engine import Engine
from modelport.server.asgi.azureml_swagger import VERSIONS, swagger
from modelport.server.asgi.negotiation import ProgramRoute
from modelport.server.asgi.replies import infer, route_to
from modelport.wire.azureml import AzureMl, cross_origin
from modelport.wire.json_tensors import dumps


def azureml_router(
    engine: Engine, limit: int, origins: tuple[str, ...] = (), *, service: str = "modelport", plain_root: bool = False
) -> APIRouter:
    """`origins` are those that may ask from pages; `limit` the largest body.

    `GET /` answers programs with `{"status": "alive"}`, as KServe's clients read it, and with the text `Healthy` those
    that accept text or carry Azure's headers; `plain_root` answers all of them so, for servers that run in Azure.
    """
    router = APIRouter(tags=["azure ml"], route_class=ProgramRoute)
    dialect = AzureMl(origins)

    @router.get("/", summary="Liveness (Azure ML, KServe); a page for browsers")
    async def alive(request: Request) -> Response:
        accept = request.headers.get("accept", "").lower()
        azure = plain_root or "text/plain" in accept or any(name.startswith("x-ms-") for name in request.headers)
        if azure:
            return Response("Healthy", media_type="text/plain", headers={"Vary": "Accept"})
        return Response(dumps({"status": "alive"}), media_type="application/json", headers={"Vary": "Accept"})

    @router.get("/swagger.json", summary="The scoring API as OpenAPI (Azure ML)")
    async def specification(version: str = "2") -> Response:
        if version not in VERSIONS:
            text = f"Swagger version [{version[:40]}] is not valid. Supported versions: [{', '.join(VERSIONS)}]."
            return _json({"message": text}, 404)
        models = [model.default for model in engine.models() if model.default is not None]
        signature = models[0].signature if len(models) == 1 else None
        return _json(swagger(version, service, signature))

    @router.get("/score", summary="Score what the query says (Azure ML)")
    async def scored(request: Request) -> Response:
        document = _of_query(request.scope["query_string"].decode("latin-1"))
        headers = {**dict(request.scope["headers"]), b"content-type": b"application/json"}
        headers.pop(b"content-encoding", None)
        return await infer(engine, route_to(dialect, None), headers, json.dumps(document).encode(), limit)

    @router.options("/score", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        response = Response()
        for name, value in cross_origin(request.headers.get("origin", "").encode("latin-1"), origins):
            response.headers[name.decode()] = value.decode("latin-1")
            response.headers["access-control-allow-methods"] = "GET, POST"
            asked = request.headers.get("access-control-request-headers")
            if asked:
                response.headers["access-control-allow-headers"] = asked
        return response

    return router


def _of_query(query: str) -> dict[str, Any]:
    """The query as a request's body: each value as JSON where it is JSON; a list where a name comes several times."""
    found: dict[str, list[Any]] = {}
    for name, text in parse_qsl(query, keep_blank_values=True, max_num_fields=4096):
        found.setdefault(name, []).append(_value(text))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _json(document: Any, status: int = 200) -> Response:
    headers = {"x-ms-run-function-failed": "False"}
    return Response(dumps(document), status, headers, "application/json")
