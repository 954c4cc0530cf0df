"""What is logged of a model's requests: the table `[logging]` of its `modelport.toml`, and the server's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelport.core.errors import InvalidModelError


@dataclass(frozen=True, slots=True)
class LoggingOptions:
    """The table `[logging]`. `requests` None leaves it to the server; false stays false whatever that says.

    `sample` is the share of requests that is logged; `hide` names inputs, columns of inputs and outputs that are not.
    """

    requests: bool | None = None
    sample: float = 1.0
    keep_days: float = 30.0
    max_mb: float = 1000.0
    hide: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.sample <= 1:
            raise InvalidModelError(f"[logging] sample is a share over 0 and up to 1, not {self.sample:g}")
        for name in ("keep_days", "max_mb"):
            if not getattr(self, name) > 0:
                raise InvalidModelError(f"[logging] {name} must be more than 0, not {getattr(self, name):g}")


def is_logged(model: str, options: LoggingOptions, setting: str) -> bool:
    """Whether a model's requests are logged; `setting` is the server's: names separated by commas, or `*`."""
    if options.requests is not None:
        return options.requests
    names = {part.strip() for part in setting.split(",")}
    return model in names or "*" in names
