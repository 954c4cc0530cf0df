"""Which request targets are inference, and in which dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from modelport.core.errors import InvalidInputError, ModelportError
from modelport.core.references import parse_version_or_alias
from modelport.wire.http import HttpDialect

#: Targets that are remembered; one more empties the memory, so that nobody can fill it.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Route:
    """What a target means. `model` None: what the dialect's headers say, or the only model.

    `version` is a number or an alias; None: the one that the server chooses.

    `error` is what is wrong with the target itself.
    """

    dialect: HttpDialect
    model: str | None
    version: int | str | None = None
    error: ModelportError | None = None


class Routes:
    """Target of a POST request → route. Shared by all connections of a process."""

    def __init__(self, dialects: Iterable[HttpDialect]) -> None:
        """Where two dialects have a pattern for one path, the first one answers."""
        self._patterns = [(re.compile(pattern), dialect) for dialect in dialects for pattern in dialect.patterns]
        self._known: dict[bytes, Route | None] = {}

    def match(self, target: bytes) -> Route | None:
        """The route of a request target (path and query, as in the request line), or None where it is not inference."""
        try:
            return self._known[target]
        except KeyError:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            route = self._known[target] = self._find(target)
            return route

    def _find(self, target: bytes) -> Route | None:
        path = target.partition(b"?")[0].decode("latin-1")
        for pattern, dialect in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                return _route(dialect, match.groupdict())
        return None


def _route(dialect: HttpDialect, parts: dict[str, str | None]) -> Route:
    model, version = parts.get("model"), parts.get("version")
    name = None if model is None else unquote(model)
    label = parts.get("label")
    if label is not None:
        return Route(dialect, name, unquote(label))
    try:
        return Route(dialect, name, None if version is None else parse_version_or_alias(unquote(version)))
    except InvalidInputError as error:
        return Route(dialect, name, error=error)
