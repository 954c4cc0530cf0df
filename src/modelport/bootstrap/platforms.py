"""What a hosting platform says by its environment variables: SageMaker, Vertex AI and Azure Machine Learning.

Sources: the SageMaker Inference Toolkit's `environment.py` and `parameters.py`; Vertex AI's "Custom container
requirements for prediction"; `azureml-inference-server-http`, `server/config.py` and `constants.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidInputError

#: What tells that a platform serves. Its notebooks and training jobs have other variables that begin so.
_SAGEMAKER = (
    "SAGEMAKER_BASE_DIR",
    "SAGEMAKER_BIND_TO_PORT",
    "SAGEMAKER_SAFE_PORT_RANGE",
    "SAGEMAKER_MULTI_MODEL",
    "SAGEMAKER_MODEL_SERVER_WORKERS",
    "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
)
_VERTEX = ("AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE", "AIP_STORAGE_URI")
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - a platform's container is asked from outside, as its contract has it


@dataclass(frozen=True, slots=True)
class Platform:
    """`settings` are defaults: what the command line and `MODELPORT_…` say comes first.

    `problem` is why the platform's own variable gives no model: it matters where nothing else names one.
    """

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    multi_model: bool = False
    default_accept: str = "application/json"
    health_route: str = ""
    predict_route: str = ""
    deployed_model: str = ""
    origins: tuple[str, ...] = ()
    service: str = "modelport"


def read_platform(environment: Mapping[str, str]) -> Platform:
    """The platform whose variables are set; one without a name where there are none.

    Raises ModelportError for a variable that can't be followed.
    """
    if any(name in environment for name in _VERTEX):
        return _vertex(environment)
    if any(name in environment for name in _SAGEMAKER):
        return _sagemaker(environment)
    if "AZUREML_MODEL_DIR" in environment:
        return _azureml(environment)
    return Platform()


def _sagemaker(environment: Mapping[str, str]) -> Platform:
    base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    multi_model = environment.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
    port = _port(environment, "SAGEMAKER_BIND_TO_PORT", 8080)
    _check_safe(environment, port)
    settings: dict[str, Any] = {"host": _EVERYWHERE, "port": port}
    own = base / "model"
    problem = "" if multi_model or own.exists() else f"there is no model in {own}, where SageMaker puts it"
    if not multi_model and not problem:
        settings["paths"] = (own,)
    if "SAGEMAKER_MODEL_SERVER_WORKERS" in environment:
        settings["workers"] = _whole(environment, "SAGEMAKER_MODEL_SERVER_WORKERS")
    if multi_model:
        settings["workers"] = 1  # a model that is loaded later is loaded in one process
    if "SAGEMAKER_MAX_PAYLOAD_IN_MB" in environment:
        settings["body_bytes"] = _whole(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB") << 20
    accept = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
    return Platform("sagemaker", settings, problem, multi_model, default_accept=accept)


def _check_safe(environment: Mapping[str, str], port: int) -> None:
    """The platform's own port need not be in the range; a range that can't be read is a mistake."""
    text = environment.get("SAGEMAKER_SAFE_PORT_RANGE")
    if text is None:
        return
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last) < 65536:
        raise InvalidInputError(f"SAGEMAKER_SAFE_PORT_RANGE={text!r} is not two ports such as 9000-9999")


def _vertex(environment: Mapping[str, str]) -> Platform:
    settings: dict[str, Any] = {"host": _EVERYWHERE, "port": _port(environment, "AIP_HTTP_PORT", 8080)}
    storage, problem = environment.get("AIP_STORAGE_URI", ""), ""
    path = Path(storage.removeprefix("file://"))
    if storage.startswith("gs://"):
        problem = (
            f"AIP_STORAGE_URI={storage!r} can't be fetched: this version reads no Google Cloud Storage; "
            "put the model into the container and name its folder: MODELPORT_PATHS=/models"
        )
    elif storage and not path.exists():
        problem = f"AIP_STORAGE_URI={storage!r} does not exist"
    elif storage:
        settings["paths"] = (path,)
    return Platform(
        "vertex",
        settings,
        problem,
        health_route=_route(environment, "AIP_HEALTH_ROUTE"),
        predict_route=_route(environment, "AIP_PREDICT_ROUTE"),
        deployed_model=environment.get("AIP_DEPLOYED_MODEL_ID", ""),
    )


def _azureml(environment: Mapping[str, str]) -> Platform:
    folder = Path(environment["AZUREML_MODEL_DIR"])
    problem = "" if folder.exists() else f"AZUREML_MODEL_DIR={str(folder)!r} does not exist"
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    # a registered folder lies in the folder, a registered file directly in it
    only = inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    origins = tuple(part.strip() for part in environment.get("AML_CORS_ORIGINS", "").split(",") if part.strip())
    settings: dict[str, Any] = {"host": _EVERYWHERE, "port": _port(environment, "SERVER_PORT", 5001)}
    if not problem:
        settings["paths"] = (only,)
    return Platform(
        "azureml", settings, problem, origins=origins, service=environment.get("SERVICE_NAME", "ML service")
    )


def _route(environment: Mapping[str, str], name: str) -> str:
    route = environment.get(name, "")
    if route and not route.startswith("/"):
        raise InvalidInputError(f"{name}={route!r} is not a path: it should begin with '/'")
    return route


def _port(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    if name not in environment:
        return otherwise
    port = _whole(environment, name)
    if not 0 <= port < 65536:
        raise InvalidInputError(f"{name}={environment[name]!r} is not a port")
    return port


def _whole(environment: Mapping[str, str], name: str) -> int:
    text = environment[name].strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInputError(f"{name}={environment[name]!r} is not a whole number")
    return int(text)
