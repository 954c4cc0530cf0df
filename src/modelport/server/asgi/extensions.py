"""Triton's extensions of the Open Inference Protocol over REST."""

from __future__ import annotations

from fastapi import APIRouter

from modelport.engine.engine import Engine
from modelport.server.asgi.logging import logging_router
from modelport.server.asgi.model_config import model_config_router
from modelport.server.asgi.repository import repository_router
from modelport.server.asgi.shared_memory import shared_memory_router
from modelport.server.asgi.statistics import statistics_router
from modelport.server.extensions import Extensions


def extension_routers(engine: Engine, extensions: Extensions) -> tuple[APIRouter, ...]:
    """Their routers; they go before that of `/v2/models/{model}`, which `/v2/models/stats` would fit."""
    return (
        repository_router(extensions.repository),
        statistics_router(extensions),
        model_config_router(extensions),
        logging_router(engine, extensions.logging),
        shared_memory_router(extensions.memory),
    )
