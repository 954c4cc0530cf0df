"""What the API's documentation says about inference: one operation object (OpenAPI 3.1) for each path of the lanes."""

from __future__ import annotations

from typing import Any

from modelport.server.asgi.documentation_hosted import HOSTED

_TENSOR: dict[str, Any] = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array", "items": {}},
        "parameters": {"type": "object"},
    },
}


def _operation(summary: str, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"schema": {"type": "object", "properties": properties}}
    return {"summary": summary, "requestBody": {"required": True, "content": {"application/json": schema}}}


_PREDICT = _operation(
    "Predict (plain JSON; also a picture or text)",
    {"instances": {"type": "array", "description": "Records by column name, or rows", "items": {}}},
)
_INFER = _operation(
    "Infer (Open Inference Protocol v2)",
    {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
)
_TFS_PREDICT = _operation(
    "Predict (TensorFlow Serving, KServe v1)",
    {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "description": "Rows; the answer has predictions", "items": {}},
        "inputs": {"description": "Columns; the answer has outputs"},
    },
)
_EXAMPLES: dict[str, Any] = {
    "signature_name": {"type": "string"},
    "examples": {"type": "array", "description": "Features by name", "items": {"type": "object"}},
    "context": {"type": "object", "description": "Features that all examples have"},
}
_TFS: dict[str, dict[str, Any]] = {
    f"/v1/models/{{model}}{version}:{method}": operation
    for version in ("", "/versions/{version}")
    for method, operation in (
        ("predict", _TFS_PREDICT),
        ("classify", _operation("Classify (TensorFlow Serving)", _EXAMPLES)),
        ("regress", _operation("Regress (TensorFlow Serving)", _EXAMPLES)),
    )
}

_GENERATE = _operation(
    "Generate (flat JSON: inputs by name)",
    {"id": {"type": "string"}},
)

OPERATIONS: dict[str, dict[str, Any]] = {
    **{
        f"/v2/models/{{model}}{version}/{word}": _GENERATE
        for version in ("", "/versions/{version}")
        for word in ("generate", "generate_stream")
    },
    **_TFS,
    **HOSTED,
    "/predict": _PREDICT,
    "/models/{model}/predict": _PREDICT,
    "/models/{model}/versions/{version}/predict": _PREDICT,
    "/models/{model}/predict_stream": _PREDICT,
    "/models/{model}/versions/{version}/predict_stream": _PREDICT,
    "/v2/models/{model}/infer": _INFER,
    "/v2/models/{model}/versions/{version}/infer": _INFER,
}
