"""Where a server's request log is."""

from __future__ import annotations

from pathlib import Path

from modelport.bootstrap.settings import Settings


def request_log(settings: Settings) -> Path:
    """The folder that is named, else the one in the registry's home."""
    named = settings.engine.request_log
    return Path(named).expanduser().absolute() if named else settings.registry.folder / "requests"
