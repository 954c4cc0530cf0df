"""One open rollout, as this process applies it: who goes where, what is mirrored, what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from modelport.core.datatypes import Array
from modelport.core.messages import InferenceRequest, InferenceResponse
from modelport.engine.rollouts.counts import Counts
from modelport.engine.rollouts.mirror import Compared, Copy, Mirror
from modelport.engine.rollouts.share import ROUTING_KEY, body_key, place_of
from modelport.engine.rollouts.ticket import Ticket
from modelport.engine.sequences import Sequences
from modelport.engine.served import ServedModel, ServedVersion

#: What requests that name no version mean.
_DEFAULT_ALIAS = "production"
#: A header's (or gRPC metadata's) value by its lower-case name.
Header = Callable[[bytes], bytes | None]
Body = bytes | bytearray | memoryview


class Plan(Protocol):
    """What a split needs to know of a rollout's plan."""

    @property
    def kind(self) -> str:
        """`canary`, `shadow` or `ab`."""

    @property
    def key(self) -> str:
        """The header whose value makes a choice stick; empty for `x-routing-key`."""


class Rollout(Protocol):
    """What a split needs to know of a rollout. The registry's records are such."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def alias(self) -> str:
        """The alias whose traffic is split."""

    @property
    def baseline(self) -> int:
        """The version that the alias names."""

    @property
    def candidate(self) -> int:
        """The version that is tried."""

    @property
    def percent(self) -> float:
        """How much of the traffic goes to the candidate, or is mirrored to it, at present."""

    @property
    def plan(self) -> Plan:
        """What was asked for."""


class Split:
    """Used on the event loop's thread. `percent` changes as the rollout advances; the counts go on."""

    def __init__(self, rollout: Rollout, mirror: Mirror) -> None:
        self.id, self.model, self.alias, self.percent = rollout.id, rollout.model, rollout.alias, rollout.percent
        self.shadow = rollout.plan.kind == "shadow"
        self.baseline, self.candidate = Counts(rollout.baseline), Counts(rollout.candidate)
        self._key = (rollout.plan.key or ROUTING_KEY).lower().encode()
        self._mirror = mirror
        self._served: ServedModel | None = None
        self._share = 0.0  # what is left over, in percent, of requests that make up less than one copy
        self._suspected: list[int] = []  # how long each refused request took that is not looked into yet

    def take(
        self, model: ServedModel, served: ServedVersion, asked: int | str | None, header: Header, body: Body
    ) -> Ticket:
        """The ticket of a request for which `served` was found; `asked` is the version or alias that it names.

        A request that names a version gets just that. Where the candidate is not ready, the baseline answers.
        """
        self._served = model
        if not self._means(asked):
            return Ticket(self, served, None, 0.0)
        key = header(self._key)
        place = place_of(self.id, body_key(body) if key is None else key)
        if place < self.percent and not self.shadow:
            served = model.by_number.get(self.candidate.version, served)
        return Ticket(self, served, self._side(served.version), place)

    def takes_rows(self, model: ServedModel, asked: int | str | None) -> bool:
        """Whether requests that name `asked` need no tickets, only `ran_rows`: whatever they are, the baseline answers.

        Then they may be collected and run together before anybody has looked at each.
        """
        self._served = model
        return self.shadow and self._means(asked)

    def row_ticket(self, served: ServedVersion) -> Ticket:
        """The ticket of one of such requests that has to be answered on its own after all."""
        return Ticket(self, served, self._side(served.version), 0.0)

    def ran_rows(
        self,
        served: ServedVersion,
        requests: int,
        nanoseconds: int,
        row: Callable[[int], tuple[InferenceRequest, dict[str, Array]]],
    ) -> None:
        """Such requests were run together and answered. `row` gives the n-th one and its outputs, for a copy.

        Copies are run of as many of each hundred as the percentage says, no matter whose.
        """
        side = self._side(served.version)
        if side is None:
            return
        side.count(nanoseconds, requests=requests)
        other = self._ready(self.candidate.version)
        if side is not self.baseline or other is None or not _repeatable(other, served):
            return
        due, self._share = divmod(self._share + self.percent * requests, 100)
        left = int(due)
        while left and self._mirror.has_room():
            if not self._mirror.offer(Copy(other, *row(int(due) - left), self._mirrored)):
                break
            left -= 1
        self.candidate.dropped += left

    def refused(self, ticket: Ticket, nanoseconds: int) -> None:
        """The candidate called a request's input bad. That is its error where the baseline takes that input.

        Of a request that did not even fit the signature, the two signatures say so; any other one is run on the
        baseline, if there is time. Those for which there is none share the fate of the next one.
        """
        other = self._ready(self.baseline.version)
        if other is None:
            return
        if ticket.request is None:
            if _inputs(other) != _inputs(ticket.served):
                self.candidate.count(nanoseconds, failed=True)
            return
        if not _repeatable(other, ticket.served):
            return
        suspected = self._suspected
        suspected.append(nanoseconds)
        if self._mirror.has_room(urgent=True):
            copy = Copy(other, _again(ticket.request), {}, lambda compared: self._cleared(compared, suspected))
            if self._mirror.offer(copy, urgent=True):
                self._suspected = []

    def mirror(self, ticket: Ticket, request: InferenceRequest, outcome: InferenceResponse) -> None:
        """Run a copy of an answered request on the other version, where it is its turn and there is room.

        shadow: those in the percentage, on the candidate. canary and ab: those that the candidate answered, on the
        baseline, as many as there is time for.
        """
        to_candidate = self.shadow and ticket.side is self.baseline and ticket.place < self.percent
        if not (to_candidate or (not self.shadow and ticket.side is self.candidate)):
            return
        other = self._ready((self.candidate if to_candidate else self.baseline).version)
        if other is None:
            return
        if not self._mirror.has_room():
            self.candidate.dropped += to_candidate
            return
        if not _repeatable(other, ticket.served):
            return
        done = self._mirrored if to_candidate else self._checked
        if not self._mirror.offer(Copy(other, _again(request), outcome.outputs, done)):
            self.candidate.dropped += to_candidate

    def _mirrored(self, compared: Compared) -> None:
        """The candidate answered a copy."""
        self.candidate.count(compared.nanoseconds, failed=compared.error is not None)
        if compared.error is None:
            self.candidate.compare(compared.agreed)

    def _checked(self, compared: Compared) -> None:
        """The baseline answered what the candidate had answered."""
        if compared.error is None:
            self.candidate.compare(compared.agreed)

    def _cleared(self, compared: Compared, suspected: list[int]) -> None:
        """The baseline was given what the candidate had refused."""
        if compared.error is None:
            for nanoseconds in suspected:
                self.candidate.count(nanoseconds, failed=True)

    def _means(self, asked: int | str | None) -> bool:
        """Whether a request that names `asked` has to do with the rollout."""
        return asked == self.alias or (asked is None and self.alias == _DEFAULT_ALIAS)

    def _side(self, version: int) -> Counts | None:
        for side in (self.baseline, self.candidate):
            if side.version == version:
                return side
        return None

    def _ready(self, version: int) -> ServedVersion | None:
        return None if self._served is None else self._served.by_number.get(version)


def _again(request: InferenceRequest) -> InferenceRequest:
    return InferenceRequest(dict(request.inputs), request.outputs)


def _repeatable(one: ServedVersion, other: ServedVersion) -> bool:
    """Whether a request means the same once more: not to a model that keeps state, or answers piece by piece."""
    if one.streams or other.streams:
        return False
    return not any(isinstance(getattr(served.front, "__self__", None), Sequences) for served in (one, other))


def _inputs(served: ServedVersion) -> list[tuple[str, str, tuple[int, ...] | None, bool]]:
    return [(spec.name, spec.datatype, spec.shape, spec.optional) for spec in served.signature.inputs]
