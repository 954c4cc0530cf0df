"""How Triton runs a model, in the words of `modelport.toml`: batches, queues, versions, instances, warm-up, state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelport.runtimes.repositories.text_format import Message
from modelport.runtimes.repositories.triton_warmup import samples

#: What is mapped, or means nothing here; everything else of a configuration is told to the user.
_KNOWN = frozenset(
    {
        "name",
        "platform",
        "backend",
        "runtime",
        "input",
        "output",
        "max_batch_size",
        "version_policy",
        "dynamic_batching",
        "sequence_batching",
        "ensemble_scheduling",
        "instance_group",
        "default_model_filename",
        "parameters",
        "model_warmup",
        "response_cache",
        "model_transaction_policy",
    }
)


def serving_tables(config: Message, folder: Path, warnings: list[str]) -> dict[str, Any]:
    """The tables that a configuration means; what can't be mapped is added to `warnings`."""
    tables: dict[str, Any] = {}
    serving = {**_batches(config, warnings), **_versions(config), **_instances(config, warnings)}
    if serving:
        tables["serving"] = serving
    runtime = _runtime(config, warnings)
    if runtime:
        tables["runtime"] = runtime
    if _one(_one(config, "response_cache", {}), "enable"):
        tables["cache"] = {"enabled": True}
    state = _sequence(config, warnings)
    if state:
        tables["sequence"] = state
    if "model_warmup" in config:
        tables["warmup"] = {"samples": samples(config, int(_one(config, "max_batch_size", 0) or 0) > 0, warnings)}
    if _one(_one(config, "model_transaction_policy", {}), "decoupled"):
        warnings.append("decoupled is not mapped: a model streams where its runtime does")
    warnings.extend(f"{name} is not mapped" for name in config if name not in _KNOWN)
    return tables


def _one(message: Message, name: str, default: Any = None) -> Any:
    values = message.get(name)
    return values[-1] if values else default


def _batches(config: Message, warnings: list[str]) -> dict[str, Any]:
    """Rows of a batch, and what waits. Requests are joined where the model's rows allow it, as everywhere."""
    made: dict[str, Any] = {}
    largest = int(_one(config, "max_batch_size", 0) or 0)
    if largest:
        made["max_batch"] = largest
    batching = _one(config, "dynamic_batching", {})
    delay = int(_one(batching, "max_queue_delay_microseconds", 0) or 0)
    if delay:
        made["max_delay_ms"] = delay / 1000
    if "preferred_batch_size" in batching:
        warnings.append("preferred_batch_size is not mapped: the sizes that pay are measured at load")
    policy = _one(batching, "default_queue_policy", {})
    if _one(policy, "max_queue_size"):
        made["queue"] = int(_one(policy, "max_queue_size"))
    if _one(policy, "default_timeout_microseconds"):
        made["timeout_seconds"] = int(_one(policy, "default_timeout_microseconds")) / 1e6
    known = {"max_queue_delay_microseconds", "preferred_batch_size", "default_queue_policy"}
    warnings.extend(f"dynamic_batching.{name} is not mapped" for name in batching if name not in known)
    return made


def _versions(config: Message) -> dict[str, Any]:
    policy = _one(config, "version_policy", {})
    if "all" in policy:
        return {"versions": "all"}
    if "latest" in policy:
        return {"versions": f"latest:{int(_one(_one(policy, 'latest'), 'num_versions', 1))}"}
    if "specific" in policy:
        return {"versions": ",".join(str(int(number)) for number in _one(policy, "specific").get("versions", []))}
    return {}


def _instances(config: Message, warnings: list[str]) -> dict[str, Any]:
    """How many predictions run at a time."""
    count = 0
    for group in config.get("instance_group", []):
        count += int(_one(group, "count", 1) or 1)
        warnings.extend(
            f"instance_group.{name} is not mapped"
            for name in group
            if name not in ("name", "count", "kind", "gpus", "profile")
        )
    return {"concurrency": count} if count else {}


def _runtime(config: Message, warnings: list[str]) -> dict[str, Any]:
    """Device, threads and options of the framework."""
    made: dict[str, Any] = {}
    groups = config.get("instance_group", [])
    if any(str(_one(group, "kind", "")) == "KIND_GPU" for group in groups):
        numbers = [int(gpu) for group in groups for gpu in group.get("gpus", [])]
        made["device"] = f"cuda:{numbers[0]}" if numbers else "cuda"
        if len(set(numbers)) > 1:
            warnings.append(f"instance_group names the GPUs {numbers}: one process of Modelport uses the first")
    for entry in config.get("parameters", []):
        name, value = str(_one(entry, "key", "")), _one(_one(entry, "value", {}), "string_value", "")
        if name in ("intra_op_thread_count", "INTRA_OP_THREAD_COUNT"):
            made["threads"] = int(value)
        elif name != "model_type":
            warnings.append(f"the parameter {name!r} is not mapped")
    return made


def _sequence(config: Message, warnings: list[str]) -> dict[str, Any]:
    """State that is kept between the requests of a sequence."""
    batching = _one(config, "sequence_batching", {})
    pairs = [
        {"input": str(_one(state, "input_name", "")), "output": str(_one(state, "output_name", ""))}
        for state in batching.get("state", [])
    ]
    if batching and not pairs:
        warnings.append("sequence_batching is mapped only where it declares its state")
        return {}
    if "control_input" in batching:
        warnings.append("the control inputs of sequence_batching are not mapped")
    if not pairs:
        return {}
    idle = int(_one(batching, "max_sequence_idle_microseconds", 0) or 0)
    return {"state": pairs, **({"idle_seconds": idle / 1e6} if idle else {})}
