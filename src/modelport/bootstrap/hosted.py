"""The dialects of hosting platforms and of TorchServe and MLflow, put together as a platform's environment says."""

from __future__ import annotations

from fastapi import APIRouter

from modelport.bootstrap.platforms import Platform
from modelport.engine.engine import Engine
from modelport.server.asgi.azureml import azureml_router
from modelport.server.asgi.health import health_router
from modelport.server.asgi.model_control import ModelControl
from modelport.server.asgi.sagemaker import multi_model_router
from modelport.server.asgi.torchserve import torchserve_router
from modelport.server.asgi.vertex import vertex_router
from modelport.wire.azureml import AzureMl
from modelport.wire.http import HttpDialect
from modelport.wire.invocations import Invocations
from modelport.wire.mlflow import Mlflow
from modelport.wire.sagemaker import SageMaker
from modelport.wire.torchserve import TorchServe, TorchServeExplanations
from modelport.wire.vertex import VertexAi


def hosted_dialects(platform: Platform) -> tuple[HttpDialect, ...]:
    """They stand before plain prediction: Vertex AI's route may be `/predict`."""
    sagemaker = SageMaker(platform.default_accept)
    return (
        VertexAi(platform.predict_route, platform.deployed_model),
        TorchServe(),
        TorchServeExplanations(),
        sagemaker,
        Invocations(sagemaker),
        Mlflow(),
        AzureMl(platform.origins),
    )


def hosted_routers(
    engine: Engine, platform: Platform, limit: int, control: ModelControl | None = None
) -> tuple[APIRouter, ...]:
    """They stand before all others, in this order. `limit` is the largest body; `control` lets clients load models."""
    return (
        vertex_router(engine, platform.health_route),
        multi_model_router(engine, control, multi_model=platform.multi_model),
        torchserve_router(engine, limit, control),
        health_router(engine, empty=platform.name == "sagemaker"),
        azureml_router(
            engine, limit, platform.origins, service=platform.service, plain_root=platform.name == "azureml"
        ),
    )
