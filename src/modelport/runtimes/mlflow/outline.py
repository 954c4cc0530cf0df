"""What an MLflow folder says of itself in its `MLmodel`, without MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelport.core.signature import Signature
from modelport.runtimes.mlflow.calling import tensors_of
from modelport.runtimes.mlflow.fields import Field, fields_of
from modelport.runtimes.outlines import Outline
from modelport.runtimes.repositories.mlflow import NAME, read_yaml


def outline(path: Path, _format: str) -> Outline:
    """The outline of a folder. Raises InvalidModelError, and MissingExtraError where no YAML can be read."""
    document = read_yaml(path / NAME, f"{path.name}/{NAME}")
    own = (document.get("flavors") or {}).get("python_function") or {}
    said = {"loader": own.get("loader_module"), "python": own.get("python_version")}
    takes, gives = _fields(document, "inputs"), _fields(document, "outputs")
    return Outline(
        writer="MLflow",
        version=str(document.get("mlflow_version") or ""),
        signature=Signature(tensors_of(takes), tuple(field.spec for field in gives)) if takes else None,
        properties={key: str(value) for key, value in said.items() if value},
    )


def _fields(document: dict[str, Any], side: str) -> list[Field]:
    written = (document.get("signature") or {}).get(side)
    schema = json.loads(written) if isinstance(written, str) else []
    return fields_of(schema, side.removesuffix("s"), {} if side == "inputs" else None)
