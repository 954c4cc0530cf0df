"""Puts a server together out of its settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from starlette.types import ASGIApp

from modelport.bootstrap.crashes import open_guard
from modelport.bootstrap.following import open_follower
from modelport.bootstrap.hosted import hosted_dialects, hosted_routers
from modelport.bootstrap.jobs import job_runner
from modelport.bootstrap.platforms import Platform, read_platform
from modelport.bootstrap.registry import registries, registry_routers
from modelport.bootstrap.requests import request_log
from modelport.bootstrap.settings import Settings, SourceSettings
from modelport.control.feedback import feedback_router
from modelport.control.metrics import metrics_router
from modelport.control.models import models_router
from modelport.control.registry import Opened
from modelport.control.requests import requests_router
from modelport.engine.engine import Engine
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.on_demand import OnDemand
from modelport.engine.lifecycle.policy import Replace, VersionPolicy, parse_policy, parse_replace
from modelport.engine.lifecycle.source import scan
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.quarantine.guard import Guard
from modelport.release.conducting.watching import watch_rollouts
from modelport.release.following.follower import Follower
from modelport.server.asgi.app import create_app
from modelport.server.asgi.documentation import OPERATIONS
from modelport.server.asgi.event_streams import event_stream_router
from modelport.server.asgi.extensions import extension_routers
from modelport.server.asgi.inference import InferenceFirst, document_inference
from modelport.server.asgi.open_inference import open_inference_router
from modelport.server.asgi.tensorflow_serving import tensorflow_serving_router
from modelport.server.extensions import Extensions
from modelport.server.grpc.health import health_methods
from modelport.server.grpc.open_inference import open_inference_methods
from modelport.server.grpc.reflection import reflection_methods
from modelport.server.grpc.tensorflow_serving import tensorflow_serving_methods
from modelport.server.http.lane import Http2Factory, lane_protocol
from modelport.server.http.over_http2 import plain_handlers
from modelport.server.http.routes import Routes
from modelport.server.http2 import AsgiHandler, GrpcServer, Http2Protocol
from modelport.server.http2 import Router as Http2Router
from modelport.server.http2.grpc import Method
from modelport.server.process import Background, Process
from modelport.server.settings import LimitSettings
from modelport.server.shared_document import in_folder
from modelport.web.app import web_routes
from modelport.wire.http import HttpDialect
from modelport.wire.open_inference import OpenInference
from modelport.wire.open_inference_generate import Generate
from modelport.wire.plain import Plain
from modelport.wire.protobuf import load_schema
from modelport.wire.shared_memory import Regions
from modelport.wire.tensorflow_serving import TENSORFLOW_SERVING
from modelport.wire.tensorflow_serving_messages import schema as tensorflow_serving_schema


def dialects(platform: Platform | None = None, regions: Regions | None = None) -> tuple[HttpDialect, ...]:
    """Every dialect of inference over HTTP; where two want the same path, the first one gets it."""
    open_inference = (OpenInference(regions), Generate())
    return (*open_inference, *hosted_dialects(platform or Platform()), *TENSORFLOW_SERVING, Plain())


def build_app(
    engine: Engine,
    routes: Routes,
    limits: LimitSettings,
    extensions: Extensions,
    platform: Platform | None = None,
    opened: Opened | None = None,
    follower: Follower | None = None,
    told: Opened | None = None,
) -> ASGIApp:
    """Everything that is not on a lane, and inference for those who come by another way."""
    platform = platform or Platform()
    control = OnDemand(engine) if platform.multi_model else None
    routers = (
        *hosted_routers(engine, platform, limits.body_bytes, control),
        *extension_routers(engine, extensions),
        open_inference_router(engine),
        event_stream_router(engine, limits.body_bytes),
        tensorflow_serving_router(engine, extensions.repository),
        models_router(engine, follower),
        *registry_routers(opened),
        *(() if told is None else (feedback_router(told),)),
        requests_router(engine),
        metrics_router(engine.metrics, engine.settings.metrics_names),
    )
    app = create_app(routers, web_routes(engine, opened))
    document_inference(app, OPERATIONS)
    return InferenceFirst(app, engine, routes, limits)


@dataclass(frozen=True, slots=True)
class Worker:
    """Which process this is. Workers that share a `metrics_folder` show each other's numbers."""

    metrics_folder: Path | None = None
    number: int = 0
    again: bool = False
    lacks: tuple[str, ...] | None = None


def plan(source: SourceSettings) -> tuple[VersionPolicy, Replace]:
    """Which versions are served, and what goes first, of models that do not say so themselves."""
    return parse_policy(source.versions), parse_replace(source.replace)


def admission(settings: Settings, worker: Worker) -> Admission:
    """Whether a model fits; a worker that replaces another decides for itself, as long as it starts."""
    folder = worker.metrics_folder
    document = None if folder is None else in_folder(folder, "admission")
    reserve = settings.source.memory_reserve_mb * 1_000_000
    return Admission(document, settings.server.workers, reserve, alone=worker.again)


def guard(engine: Engine, worker: Worker) -> Guard | None:
    """What keeps a worker from computing again what killed others; a single process has nobody who would know."""
    if worker.metrics_folder is None:
        return None
    return open_guard(worker.metrics_folder, worker.number, engine.metrics)


def build_process(settings: Settings, on_loaded: Callable[[Engine], bool], worker: Worker) -> Process:
    """One serving process."""
    engine = Engine(settings.engine, Metrics(worker.metrics_folder, worker.number), worker.metrics_folder)
    platform, known = read_platform(os.environ), registries(settings.registry)
    told = known.opened or (None if known.follow is None else Opened(known.follow))
    follower = None
    if settings.follows and known.follow is not None and not platform.multi_model:
        follower = open_follower(settings, known.follow, engine.metrics)
    engine.requests.root = request_log(settings)
    source = partial(scan, settings.source.paths, settings.source.name or None) if follower is None else follower.found
    lifecycle = Lifecycle(engine, source, *plan(settings.source), admission(settings, worker), guard(engine, worker))
    extensions = Extensions(engine, lifecycle, worker.metrics_folder)
    routes = Routes(dialects(platform, extensions.memory))
    app = build_app(engine, routes, settings.limits, extensions, platform, known.opened, follower, told)
    poll, again = settings.source.poll, worker.again
    before, beside = None, [extensions.follow]
    if follower is not None:
        follower.attach(lifecycle, [engine.rollouts.set])
        before, poll = follower.begin, 0.0
        beside.append(follower.follow)
        beside += [] if told is None else [partial(watch_rollouts, engine, told)]
    beside += [] if known.opened is None else [job_runner(settings, known.opened, worker.metrics_folder).run]
    background = Background(lifecycle, poll, on_loaded, again, worker.lacks, before, tuple(beside))
    lane = lane_protocol(engine, routes, settings.limits, http2_factory(engine, routes, settings, app, extensions))
    return Process(app, engine, background, settings.server, settings.limits, lane)


def http2_factory(
    engine: Engine, routes: Routes, settings: Settings, app: ASGIApp, extensions: Extensions
) -> Http2Factory:
    """What makes HTTP/2 connections: gRPC services by their methods, inference by the routes, all else by the app."""
    plain = plain_handlers(engine, routes, settings.limits, AsgiHandler(cast("Any", app)))
    router = Http2Router(GrpcServer(grpc_methods(engine, extensions)), plain)

    def make(connections: set[Any]) -> Http2Protocol:
        return Http2Protocol(
            router,
            settings.http2,
            on_open=connections.add,
            on_close=connections.discard,
            connections=connections,
        )

    return make


def grpc_methods(engine: Engine, extensions: Extensions) -> dict[bytes, Method]:
    """Every gRPC method by its path."""
    methods = open_inference_methods(engine, extensions) | tensorflow_serving_methods(engine, extensions.repository)
    schemas = (
        load_schema("model_config.proto", "open_inference.proto"),
        tensorflow_serving_schema(),
        load_schema("health.proto"),
    )
    services = [name for schema in schemas for name in schema.services()]
    return {**methods, **health_methods(engine, services), **reflection_methods(schemas)}
