"""How a server follows the registry."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """Frozen; read once at start."""

    cache_folder: str = field(
        default="",
        metadata={
            "help": "Where a server that follows the registry keeps versions' files; the folder cache in home else."
        },
    )
    cache_hours: float = field(
        default=24.0, metadata={"help": "How long files stay there that no server on this folder needs any more."}
    )
    warm_seconds: float = field(
        default=600.0,
        metadata={
            "help": "How long the version that production named before stays loaded, so that a rollback takes no time."
        },
    )
