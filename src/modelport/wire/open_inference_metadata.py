"""Open Inference Protocol v2 over REST: what the server and its models say about themselves.

Source: Open Inference Protocol v2, "Server Metadata" and "Model Metadata" response objects.
"""

from __future__ import annotations

from typing import Any

from modelport.core.description import tensor_to_dict
from modelport.core.signature import Signature, TensorSpec

#: The protocol's extensions that this server speaks, by the names that Triton gave them; `grpc` is ours, and tells a
#: client that the same port takes gRPC as well.
EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "generate",
    "grpc",
    "logging",
    "model_configuration",
    "model_repository",
    "statistics",
    "system_shared_memory",
)


def server_metadata(name: str, version: str) -> dict[str, Any]:
    """The body of `GET /v2`."""
    return {"name": name, "version": version, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, versions: list[int], platform: str, signature: Signature) -> dict[str, Any]:
    """The body of `GET /v2/models/{model}`; `versions` are the ready ones."""
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": platform,
        "inputs": [_tensor(spec) for spec in signature.inputs],
        "outputs": [_tensor(spec) for spec in signature.outputs],
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    """A tensor's metadata. The protocol has no word for "any rank"; -1 alone is the nearest. What it means, and that it
    may be left out, go into `parameters`."""
    described = tensor_to_dict(spec)
    tensor = {key: described[key] for key in ("name", "datatype", "shape")}
    if tensor["shape"] is None:
        tensor["shape"] = [-1]
    parameters = {key: described[key] for key in ("optional", "meaning") if key in described}
    if parameters:
        tensor["parameters"] = parameters
    return tensor
