"""Triton's additions to the service that manage the server: repository, configuration, statistics, shared memory …"""

from __future__ import annotations

from typing import Any

from modelport.core.errors import NotFoundError, UnsupportedError
from modelport.server.extensions import Extensions
from modelport.server.grpc.open_inference_unary import Answer
from modelport.server.shared_memory import NO_CUDA
from modelport.server.trace_settings import trace_settings
from modelport.wire.open_inference_grpc_messages import message, parameters_of


def management_methods(extensions: Extensions) -> dict[str, Answer]:
    """The methods by their names."""
    return {
        **_repository_methods(extensions),
        **_description_methods(extensions),
        **_system_memory_methods(extensions),
        **_cuda_memory_methods(),
        **_settings_methods(extensions),
    }


def _repository_methods(extensions: Extensions) -> dict[str, Answer]:
    repository = extensions.repository

    def index(request: Any) -> Any:
        return message("RepositoryIndexResponse")(models=repository.index(request.ready))

    async def load(request: Any) -> Any:
        await repository.load(request.model_name, parameters_of(request.parameters))
        return message("RepositoryModelLoadResponse")()

    async def unload(request: Any) -> Any:
        await repository.unload(request.model_name, parameters_of(request.parameters))
        return message("RepositoryModelUnloadResponse")()

    return {"RepositoryIndex": index, "RepositoryModelLoad": load, "RepositoryModelUnload": unload}


def _description_methods(extensions: Extensions) -> dict[str, Answer]:
    def config(request: Any) -> Any:
        return message("ModelConfigResponse")(config=extensions.config(request.name, request.version))

    def statistics(request: Any) -> Any:
        return message("ModelStatisticsResponse")(model_stats=extensions.statistics(request.name, request.version))

    return {"ModelConfig": config, "ModelStatistics": statistics}


def _system_memory_methods(extensions: Extensions) -> dict[str, Answer]:
    memory = extensions.memory

    def status(request: Any) -> Any:
        response = message("SystemSharedMemoryStatusResponse")()
        for region in memory.regions(request.name or None):
            entry = response.regions[region.name]
            entry.name, entry.key = region.name, region.key
            entry.offset, entry.byte_size = region.offset, region.byte_size
        return response

    def register(request: Any) -> Any:
        memory.register(request.name, request.key, request.offset, request.byte_size)
        return message("SystemSharedMemoryRegisterResponse")()

    def unregister(request: Any) -> Any:
        memory.unregister(request.name or None)
        return message("SystemSharedMemoryUnregisterResponse")()

    return {
        "SystemSharedMemoryStatus": status,
        "SystemSharedMemoryRegister": register,
        "SystemSharedMemoryUnregister": unregister,
    }


def _cuda_memory_methods() -> dict[str, Answer]:
    """Nothing can be registered; that nothing is, and that all of it be forgotten, is answered: clients begin so."""

    def status(request: Any) -> Any:
        if request.name:
            raise NotFoundError(f"no CUDA shared-memory region {request.name[:200]!r} is registered: {NO_CUDA}")
        return message("CudaSharedMemoryStatusResponse")()

    def register(request: Any) -> Any:
        raise UnsupportedError(NO_CUDA)

    def unregister(request: Any) -> Any:
        return message("CudaSharedMemoryUnregisterResponse")()

    return {
        "CudaSharedMemoryStatus": status,
        "CudaSharedMemoryRegister": register,
        "CudaSharedMemoryUnregister": unregister,
    }


def _settings_methods(extensions: Extensions) -> dict[str, Answer]:
    def trace(request: Any) -> Any:
        response = message("TraceSettingResponse")()
        changes = {name: list(setting.value) for name, setting in request.settings.items()}
        for name, value in trace_settings(changes).items():
            response.settings[name].value.extend(value)
        return response

    def log(request: Any) -> Any:
        response = message("LogSettingsResponse")()
        for name, value in extensions.logging.update(parameters_of(request.settings) or {}).items():
            kind = {bool: "bool_param", int: "uint32_param"}.get(type(value), "string_param")
            setattr(response.settings[name], kind, value)
        return response

    return {"TraceSetting": trace, "LogSettings": log}
