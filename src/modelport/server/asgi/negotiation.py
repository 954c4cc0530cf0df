"""Paths that are a page for people and an answer for programs: `Accept` decides."""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope


class ProgramRoute(APIRoute):
    """A route that leaves requests for `text/html` to the routes behind it, where the pages are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """No match where a browser asks."""
        if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "").lower():
            return Match.NONE, {}
        return super().matches(scope)
