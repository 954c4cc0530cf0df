"""Finding the version that answers a call, where models may have rollouts."""

from __future__ import annotations

from modelport.engine.engine import Engine
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.served import ServedVersion
from modelport.server.http2 import GrpcCall
from modelport.wire.http import Buffer


class Choosing:
    """`Engine.find` for one message of a call: `ticket` is that of the version found last, of a model with a rollout.

    Made only where the engine has splits or logs. `served` is what was found last, also where decoding then fails. The
    key that makes a choice stick is looked for in the call's metadata.
    """

    __slots__ = ("_body", "_call", "_engine", "served", "ticket")

    def __init__(self, engine: Engine, call: GrpcCall, body: Buffer) -> None:
        self._engine, self._call, self._body = engine, call, body
        self.ticket: Ticket | None = None
        self.served: ServedVersion | None = None

    def __call__(self, name: str, version: int | str | None = None) -> ServedVersion:
        """The version that answers. Raises as `Engine.find`."""
        served = self._engine.find(name, version)
        ticket = self.ticket = self._engine.choose(served, version, self._call.request.header, self._body)
        self.served = served if ticket is None else ticket.served
        return self.served


def ticket_of(choosing: Choosing | None) -> Ticket | None:
    """The ticket of a call; None where its model has no rollout."""
    return None if choosing is None else choosing.ticket


def found_by(choosing: Choosing | None) -> ServedVersion | None:
    """The version that was found; None where none was, or where nobody needs to know."""
    return None if choosing is None else choosing.served
