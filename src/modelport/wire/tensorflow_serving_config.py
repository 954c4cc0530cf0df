"""The models that a ModelServerConfig lists.

Sources: tensorflow_serving/config/model_server_config.proto and file_system_storage_path_source.proto.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelport.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model: where its versions lie, which of them to serve (`latest` N, the `specific` ones, or neither: all)."""

    name: str
    base_path: str
    latest: int | None = 1
    specific: tuple[int, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)


def configs_from(config: Any) -> list[ModelConfig]:
    """The models in a ModelServerConfig message. Raises InvalidInputError where it has another form than a list."""
    if config.WhichOneof("config") != "model_config_list":
        raise InvalidInputError(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    found = [_model(item) for item in config.model_config_list.config]
    names = [item.name for item in found]
    for item in found:
        if not item.name or not item.base_path:
            raise InvalidInputError("each ModelConfig must have a name and a base_path")
        if names.count(item.name) > 1:
            raise InvalidInputError(f"Illegal to list model {item.name[:200]} multiple times in config list")
    return found


def _model(item: Any) -> ModelConfig:
    policy = item.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    latest = max(policy.latest.num_versions, 1) if choice in (None, "latest") else None
    specific = tuple(policy.specific.versions) if choice == "specific" else ()
    return ModelConfig(item.name, item.base_path, latest, specific, dict(item.version_labels))
