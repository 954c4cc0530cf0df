"""Triton's trace settings, where no requests are traced: they can be read, and be set to what they are.

Source: Triton "Trace Extension".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelport.core.errors import UnsupportedError

_SETTINGS: dict[str, list[str]] = {"trace_level": ["OFF"]}


def trace_settings(changes: Mapping[str, Any]) -> dict[str, list[str]]:
    """The settings after some changes; a None asks for the default. Raises UnsupportedError for any other change."""
    for name, value in changes.items():
        given = [value] if isinstance(value, str) else value
        if given not in (None, [], _SETTINGS.get(name)):
            raise UnsupportedError(
                f"the trace setting {name[:60]!r} can't be changed: this server writes no traces of requests; "
                "/metrics has the time that they spend in each stage"
            )
    return dict(_SETTINGS)
