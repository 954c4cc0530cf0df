"""What is wanted of each model: what its own file says, and the server's settings where it says nothing."""

from __future__ import annotations

import logging
from dataclasses import replace

from modelport.core.errors import InvalidModelError, ModelportError
from modelport.engine.lifecycle.artifact import Artifact
from modelport.engine.lifecycle.policy import Plan, VersionPolicy, parse_policy
from modelport.engine.lifecycle.wishes import Wish
from modelport.engine.settings import ServingOptions

_log = logging.getLogger("modelport.lifecycle")


class Plans:
    """Reads the table `[serving]` of models; a file that means nothing leaves the model's plan as it was."""

    def __init__(self, default: Plan) -> None:
        self._default = default
        self._plans: dict[str, Plan] = {}

    def of(self, name: str, available: dict[int, Artifact]) -> Plan:
        """The plan of a model with these versions: the newest one's files have the word."""
        try:
            plan = self._read(name, available[max(available)]) if available else self._default
        except ModelportError as error:
            _log.warning("%s: %s", name, error)  # loading a version ends with it too
            return self._plans.get(name, self._default)
        if plan != self._plans.get(name):
            for alias, number in plan.aliases.items():
                if number not in available:
                    _log.warning("%s has the alias %r for version %d, which is not there", name, alias, number)
        self._plans[name] = plan
        return plan

    def wished(self, name: str, available: dict[int, Artifact], wish: Wish) -> Plan:
        """The plan of a model that a registry speaks of: all versions, under its names; what goes first says the newest
        version's own file.
        """
        try:
            own = self._read(name, available[max(available)]) if available else self._default
        except ModelportError:  # loading the version tells
            own = self._default
        return replace(own, versions=VersionPolicy(latest=None), aliases=wish.aliases)

    def who_chooses(self, plan: Plan) -> str:
        """Where a plan's versions come from, for people."""
        return "the setting --versions asks for" if plan.versions == self._default.versions else "its own file asks for"

    def forget(self, name: str) -> None:
        """The model is gone."""
        self._plans.pop(name, None)

    def _read(self, name: str, artifact: Artifact) -> Plan:
        options = artifact.model_file(name).section("serving", ServingOptions)
        for alias in options.aliases:
            if not alias or alias.isdecimal():
                raise InvalidModelError(f"[serving] aliases: {alias!r} can't be told from a version's number")
        plan = replace(self._default, aliases=options.aliases)
        if options.versions:
            plan = replace(plan, versions=parse_policy(options.versions))
        return replace(plan, replace=options.replace) if options.replace else plan
