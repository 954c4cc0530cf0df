"""A version described as Triton's model configuration: clients ask for it to learn how to batch.

Source: Triton "Model Configuration Extension" and `model_config.proto`.
"""

from __future__ import annotations

from typing import Any

from modelport.core.runtime import ModelInfo
from modelport.core.signature import Signature, TensorSpec

_PLATFORM_ONLY = "onnxruntime_onnx"


def model_config(name: str, version: int, info: ModelInfo, signature: Signature, largest: int) -> dict[str, Any]:
    """The configuration, in the field names of the message.

    A model whose rows stand for themselves has a `max_batch_size` and dims without the first dimension; any other has
    0 and all of its dims. `largest` is how many requests the server joins: a request may have more rows.
    """
    batched = signature.batched
    config: dict[str, Any] = {
        "name": name,
        "platform": _PLATFORM_ONLY if info.format == "onnx" else info.platform,
        "backend": "onnxruntime" if info.format == "onnx" else info.format,
        "version_policy": {"specific": {"versions": [version]}},
        "max_batch_size": max(largest, 1) if batched else 0,
        "input": [_input(spec, batched) for spec in signature.inputs],
        "output": [_tensor(spec, batched) for spec in signature.outputs],
        "model_transaction_policy": {"decoupled": False},
    }
    if batched:
        config["dynamic_batching"] = {}
    return config


def _input(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    return {**_tensor(spec, batched), "optional": True} if spec.optional else _tensor(spec, batched)


def _tensor(spec: TensorSpec, batched: bool) -> dict[str, Any]:
    dims = [-1] if spec.shape is None else list(spec.shape[1:] if batched else spec.shape)
    # a configuration has no empty dims: a scalar for each row is written as one element
    kind = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": dims or [1]}
