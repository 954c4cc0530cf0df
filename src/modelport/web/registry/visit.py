"""What a page is made from and what it gives: values, without requests and responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelport.core.errors import InvalidInputError
from modelport.registry.base import Registry
from modelport.web.catalog import ModelView

#: As many rows as a list shows.
PAGE = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page: the registry, the path's and the query's words, and what this server serves by name."""

    registry: Registry
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    served: Mapping[str, ModelView] = field(default_factory=dict)
    several: Mapping[str, list[str]] = field(default_factory=dict)

    def asked(self, name: str) -> str:
        """A word of the query, without the spaces around it; empty where it is not there."""
        return self.query.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """A number of the query; None where it is not there. Raises InvalidInputError for anything else."""
        text = self.asked(name)
        return parse_number(text, name) if text else None


@dataclass(frozen=True, slots=True)
class View:
    """Which template shows which values."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)


def parse_number(text: str, what: str) -> int:
    """A number of a path or a query. Raises InvalidInputError naming `what`."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise InvalidInputError(f"{what} is {text[:80]!r}, which is no number")
    return int(text)
