"""The scoring API of Azure Machine Learning as Swagger 2.0 and OpenAPI 3: `/`, `/score` and `/swagger.json`."""

from __future__ import annotations

from typing import Any

from modelport import __version__
from modelport.core.datatypes import BYTES, FLOATS
from modelport.core.signature import Signature
from modelport.wire.examples import example_rows

#: What `?version=` may be.
VERSIONS = ("2", "2.0", "3", "3.0", "3.1")
_Schema = dict[str, Any]


def swagger(version: str, service: str, signature: Signature | None) -> dict[str, Any]:
    """The document. `signature` is the only model's; None where several are served or none."""
    schemas = {
        "ServiceInput": _input_schema(signature),
        "ServiceOutput": {"type": "array", "items": {}, "description": "One value for each row"},
        "ErrorResponse": {"type": "object", "properties": {"message": {"type": "string"}}},
    }
    info = {"title": service, "description": f"The scoring API of {service}", "version": __version__}
    security = {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}}
    if version.startswith("2"):
        return {
            "swagger": "2.0",
            "info": info,
            "schemes": ["https", "http"],
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "securityDefinitions": security,
            "paths": _paths(two=True),
            "definitions": schemas,
        }
    return {
        "openapi": "3.1.0" if version == "3.1" else "3.0.3",
        "info": info,
        "paths": _paths(two=False),
        "components": {"schemas": schemas, "securitySchemes": security},
    }


def _paths(*, two: bool) -> dict[str, Any]:
    answers = {
        "ServiceHealthCheck": _answers({"type": "string", "example": "Healthy"}, "text/plain", two),
        "RunMLService": _answers(_reference("ServiceOutput", two), "application/json", two),
        "GetSwaggerSpec": _answers({"type": "object"}, "application/json", two),
    }
    asked = {"name": "version", "in": "query", "required": False}
    kind = {"type": "integer", "enum": [2, 3]}
    score: dict[str, Any] = {"operationId": "RunMLService", "responses": answers["RunMLService"]}
    body = _reference("ServiceInput", two)
    if two:
        score["parameters"] = [{"name": "serviceInputPayload", "in": "body", "schema": body}]
    else:
        score["requestBody"] = {"content": {"application/json": {"schema": body}}}
    parameter = {**asked, **kind} if two else {**asked, "schema": kind}
    return {
        "/": {"get": {"operationId": "ServiceHealthCheck", "responses": answers["ServiceHealthCheck"]}},
        "/score": {"post": {**score, "security": [{"Bearer": []}]}},
        "/swagger.json": {
            "get": {
                "operationId": "GetSwaggerSpec",
                "parameters": [parameter],
                "responses": answers["GetSwaggerSpec"],
            }
        },
    }


def _answers(schema: _Schema, kind: str, two: bool) -> dict[str, Any]:
    failed = _reference("ErrorResponse", two)
    made = {"200": ("It worked", schema, kind), "default": ("It failed", failed, "application/json")}
    if two:
        return {code: {"description": text, "schema": item} for code, (text, item, _) in made.items()}
    return {
        code: {"description": text, "content": {media: {"schema": item}}} for code, (text, item, media) in made.items()
    }


def _reference(name: str, two: bool) -> _Schema:
    return {"$ref": f"#/definitions/{name}" if two else f"#/components/schemas/{name}"}


def _input_schema(signature: Signature | None) -> _Schema:
    """`{"input_data": …}` with an example that the model takes."""
    if signature is None:
        return {"type": "object", "example": {}}
    only = signature.inputs[0].datatype if len(signature.inputs) == 1 else ""
    item: _Schema = {"type": "string"} if only == BYTES else {"type": "number"} if only in FLOATS else {}
    shape = signature.inputs[0].shape if only else None
    for _ in range(max(len(shape or ()) - 1, 0)):
        item = {"type": "array", "items": item}
    data: _Schema = {"type": "array", "items": item} if only else {"type": "object"}
    return {
        "type": "object",
        "required": ["input_data"],
        "properties": {"input_data": data},
        "example": {"input_data": example_rows(signature)},
    }
