"""What the API's documentation says about inference in the dialects of hosting platforms, TorchServe and MLflow."""

from __future__ import annotations

from typing import Any

_ANYTHING: dict[str, Any] = {"schema": {}}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_TEXT = {"schema": {"type": "string"}}
_ROWS = {"type": "array", "items": {}}


def _operation(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "requestBody": {"required": True, "content": content}}


def _json(**properties: Any) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": properties}}


_FRAME = {"type": "object", "properties": {"columns": _ROWS, "index": _ROWS, "data": _ROWS}}
_TORCHSERVE: dict[str, Any] = {
    "application/json": _ANYTHING,
    "multipart/form-data": _json(data=_FILE["schema"]),
    "text/plain": _TEXT,
    "image/jpeg": _FILE,
}
_SAGEMAKER: dict[str, Any] = {
    "text/csv": _TEXT,
    "application/json": _ANYTHING,
    "application/jsonlines": _TEXT,
    "application/x-npy": _FILE,
}
_MLFLOW: dict[str, Any] = {
    "application/json": _json(
        dataframe_split=_FRAME, dataframe_records=_ROWS, instances=_ROWS, inputs={}, params={"type": "object"}
    ),
    "text/csv": _TEXT,
}
_VERTEX = _operation("Predict (Vertex AI)", {"application/json": _json(instances=_ROWS, parameters={"type": "object"})})
_AZURE = _operation(
    "Score (Azure ML)",
    {
        "application/json": _json(
            input_data=_FRAME, Inputs={"type": "object"}, GlobalParameters={"type": "object"}, data=_ROWS
        )
    },
)

HOSTED: dict[str, dict[str, Any]] = {
    "/predictions/{model}": _operation("Predict (TorchServe)", _TORCHSERVE),
    "/predictions/{model}/{version}": _operation("Predict (TorchServe)", _TORCHSERVE),
    "/explanations/{model}": _operation("Explain (TorchServe; refused)", _TORCHSERVE),
    "/invocations": _operation("Predict (SageMaker, MLflow)", _SAGEMAKER | _MLFLOW),
    "/endpoints/{model}/invocations": _operation("Predict (SageMaker, as AWS's SDKs ask)", _SAGEMAKER | _MLFLOW),
    "/serving-endpoints/{model}/invocations": _operation("Predict (MLflow, as Databricks has it)", _MLFLOW),
    "/models/{model}/invoke": _operation("Predict (SageMaker, multi-model)", _SAGEMAKER),
    "/v1/endpoints/{endpoint}/deployedModels/{deployed_model}:predict": _VERTEX,
    "/v1/projects/{project}/locations/{location}/endpoints/{model}:predict": _VERTEX,
    "/score": _AZURE,
    "/api/v1/service/{model}/score": _AZURE,
}
