"""What the server logs, changed while it runs, in all workers.

Source: Triton "Logging Extension". Only what can be honoured may be changed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidInputError, UnsupportedError
from modelport.server.shared_document import in_folder
from modelport.wire.quoting import quoted

_DEFAULTS: dict[str, Any] = {
    "log_file": "",
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}
_FIXED = {"log_file": "the log goes to the terminal", "log_format": "the log has one format"}
_LEVELS = (("log_info", logging.INFO), ("log_warning", logging.WARNING), ("log_error", logging.ERROR))


class LogSettings:
    """The settings, and their effect on this process."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is shared by the server's workers; None where there is one process."""
        self._changed = in_folder(folder, "logging")
        self._applied: Mapping[str, Any] = {}

    def current(self) -> dict[str, Any]:
        """Every setting."""
        return {**_DEFAULTS, **self._changed.read()}

    def update(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Change some settings; gives all. Raises ModelportError and changes nothing where one can't be honoured."""
        for name, value in settings.items():
            _check(name, value)
        if settings:
            with self._changed.change() as changed:
                changed.update(settings)
        self.catch_up()
        return self.current()

    def catch_up(self) -> None:
        """Do what another worker was asked."""
        changed = self._changed.read()
        if changed == self._applied:
            return
        self._applied = dict(changed)
        current = self.current()
        level = next((level for name, level in _LEVELS if current[name]), logging.CRITICAL)
        logging.getLogger("modelport").setLevel(logging.DEBUG if current["log_verbose_level"] else level)


def _check(name: str, value: Any) -> None:
    if name not in _DEFAULTS:
        raise InvalidInputError(f"there is no log setting {name[:60]!r}; the settings are {', '.join(_DEFAULTS)}")
    if type(value) is not type(_DEFAULTS[name]):
        word = {bool: "true or false", int: "a number", str: "text"}[type(_DEFAULTS[name])]
        raise InvalidInputError(f"the log setting {name} must be {word}, not {quoted(value)}")
    if name in _FIXED and value != _DEFAULTS[name]:
        raise UnsupportedError(f"the log setting {name} can't be changed: {_FIXED[name]}")
    if name == "log_verbose_level" and value < 0:
        raise InvalidInputError(f"the log setting {name} must be 0 or more, not {value}")
