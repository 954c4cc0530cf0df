"""What servers should serve: read in a few queries, and no manifest twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.artifacts.manifest import Manifest, manifest_from
from modelport.db.schema import aliases, chain, models, versions
from modelport.registry.pasts import parse_past
from modelport.registry.releases import PRODUCTION, Desired, DesiredModel, RolloutRecord
from modelport.registry.rollouts import open_rollouts

#: Manifests by their sha256.
Manifests = dict[str, Manifest]
_BATCH = 500
_T = TypeVar("_T")


@dataclass(slots=True)
class _Wanted:
    """What is wanted of one model."""

    aliases: dict[str, int] = field(default_factory=dict)
    warm: tuple[int, ...] = ()
    rollouts: list[RolloutRecord] = field(default_factory=list)

    def numbers(self) -> set[int]:
        rolled = {number for item in self.rollouts for number in (item.baseline, item.candidate)}
        return {*self.aliases.values(), *self.warm, *rolled}

    def rollout(self) -> RolloutRecord | None:
        """That of `production`, else the newest."""
        return max(self.rollouts, key=lambda item: (item.alias == PRODUCTION, item.id), default=None)


def head(connection: Connection) -> int:
    """The number of the last event."""
    return connection.scalar(sa.select(chain.c.seq).where(chain.c.id == 1)) or 0


def desired(connection: Connection, known: Manifests) -> tuple[Desired, Manifests]:
    """What is desired, and the manifests that it names; those that are `known` are not read again."""
    wanted = _wanted(connection)
    digests = _digests(connection, wanted)
    manifests = _manifests(connection, {digest for found in digests.values() for digest in found.values()}, known)
    found = tuple(
        DesiredModel(
            name=name,
            aliases=item.aliases,
            versions={number: manifests[digest] for number, digest in sorted(digests[name].items())},
            warm=item.warm,
            rollout=item.rollout(),
        )
        for name, item in sorted(wanted.items())
    )
    return Desired(head(connection), found), manifests


def _wanted(connection: Connection) -> dict[str, _Wanted]:
    """By the model's name."""
    wanted: dict[str, _Wanted] = defaultdict(_Wanted)
    query = (
        sa.select(models.c.name, aliases.c.name.label("alias"), versions.c.number, aliases.c.past)
        .join(models, models.c.id == aliases.c.model_id)
        .join(versions, versions.c.id == aliases.c.version_id)
        .order_by(models.c.name, aliases.c.name)
    )
    for row in connection.execute(query):
        wanted[row.name].aliases[row.alias] = row.number
        if row.alias == PRODUCTION:
            wanted[row.name].warm = parse_past(row.past)[-1:]
    for rollout in open_rollouts(connection):
        wanted[rollout.model].rollouts.append(rollout)
    return wanted


def _digests(connection: Connection, wanted: dict[str, _Wanted]) -> dict[str, dict[int, str]]:
    """The digest of each wanted version's manifest, by the model's name and the version's number."""
    pairs = ((name, number) for name, item in wanted.items() for number in item.numbers())
    query = sa.select(models.c.name, versions.c.number, versions.c.manifest_digest).join(
        versions, versions.c.model_id == models.c.id
    )
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for batch in _batches(pairs):
        for row in connection.execute(query.where(sa.tuple_(models.c.name, versions.c.number).in_(batch))):
            found[row.name][row.number] = row.manifest_digest
    return found


def _manifests(connection: Connection, digests: set[str], known: Manifests) -> Manifests:
    found = {digest: known[digest] for digest in digests if digest in known}
    for batch in _batches(sorted(digests - found.keys())):
        query = sa.select(versions.c.manifest_digest, versions.c.manifest).where(versions.c.manifest_digest.in_(batch))
        for row in connection.execute(query.distinct()):
            found[row.manifest_digest] = manifest_from(orjson.loads(row.manifest))
    return found


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch
