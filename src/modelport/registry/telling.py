"""What there should be, told by the events one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.engine import Row

from modelport.registry.evaluations import EVALUATED
from modelport.registry.gates import GATES, GATES_REMOVED
from modelport.registry.moments import ALIAS_REMOVED, NAMING, ROLLED_BACK
from modelport.registry.naming import Named
from modelport.registry.pasts import after, without

_Row = Row[Any]
#: State, step, alias, baseline, plan.
Rollout = tuple[str, int, str, int, dict[str, Any]]


@dataclass(slots=True)
class Told:
    """The registry as its history says it is."""

    versions: dict[tuple[str, int], str] = field(default_factory=dict)
    aliases: dict[tuple[str, str], Named] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    rollouts: dict[int, Rollout] = field(default_factory=dict)
    gates: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluations: dict[int, str] = field(default_factory=dict)

    def take(self, row: _Row) -> str:
        """Take one event in; gives what is wrong with it, or an empty text. Anything may stand in it."""
        try:
            return self._take(row)
        except (KeyError, TypeError, AttributeError, ValueError):
            return f"event {row.seq} ({row.kind}) does not say what such an event says"

    def _take(self, row: _Row) -> str:
        match row.kind:
            case "version.pushed":
                return self._push(row)
            case "version.deleted":
                self._delete(row)
            case "model.deleted":
                self.gates.pop(row.model, None)
            case kind if kind in NAMING:
                return self._name(row)
            case kind if kind == ALIAS_REMOVED:
                self.aliases.pop((row.model, row.subject), None)
            case kind if kind == GATES:
                self.gates[row.model] = orjson.loads(row.detail)
            case kind if kind == GATES_REMOVED:
                self.gates.pop(row.model, None)
            case kind if kind == EVALUATED:
                detail = orjson.loads(row.detail)
                self.evaluations[detail["evaluation"]] = detail["digest"]
            case kind if kind.startswith("rollout."):
                return self._roll(row)
        return ""

    def _push(self, row: _Row) -> str:
        wanted = self.numbers.get(row.model, 0) + 1
        self.numbers[row.model] = row.version
        self.versions[row.model, row.version] = row.subject
        if row.version != wanted:
            return f"event {row.seq} makes {row.model}@{row.version}, but the next version was {wanted}"
        return ""

    def _delete(self, row: _Row) -> None:
        self.versions.pop((row.model, row.version), None)
        for key, there in self.aliases.items():
            if key[0] == row.model:
                self.aliases[key] = Named(there.number, without(there.past, row.version, there.number))

    def _name(self, row: _Row) -> str:
        before = self.aliases.get((row.model, row.subject), Named())
        if row.kind != ROLLED_BACK:
            self.aliases[row.model, row.subject] = Named(row.version, after(before.past, before.number))
            return ""
        self.aliases[row.model, row.subject] = Named(row.version, before.past[:-1])
        if before.past[-1:] != (row.version,):
            return f"event {row.seq} goes back to {row.model}@{row.version}, which {row.subject} did not name before"
        return ""

    def _roll(self, row: _Row) -> str:
        detail = orjson.loads(row.detail)
        id_, state, step = detail["rollout"], detail.get("state", "running"), detail.get("step", 0)
        known = self.rollouts.get(id_)
        started = row.kind == "rollout.started"
        baseline, plan = known[3:] if known else (detail.get("baseline", 0), detail.get("plan", {}))
        self.rollouts[id_] = (state, step, row.subject, baseline, plan)
        if started != (known is None):
            wrong = "which is there already" if started else "which never began"
            return f"event {row.seq} is about the rollout {id_}, {wrong}"
        return ""
