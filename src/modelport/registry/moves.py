"""Moving aliases: setting and removing them, promoting versions and going back. Each in the caller's transaction."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from modelport.core.errors import ConflictError
from modelport.db.schema import aliases
from modelport.registry.documents import document_text
from modelport.registry.events import Change, append
from modelport.registry.moments import ALIAS, ALIAS_REMOVED, PROMOTED, ROLLED_BACK
from modelport.registry.naming import Naming, check_expected, is_alias, let_name, named
from modelport.registry.reading import find_model, find_version
from modelport.registry.records import By
from modelport.registry.references import check_alias
from modelport.registry.releases import Verdict
from modelport.registry.rollouts import abort, open_rollout, supersede


def set_alias(connection: Connection, name: str, alias: str, number: int, by: By, expect: int | None) -> None:
    """As the registry's. Naming the version that is named already is no change, and no event."""
    model = find_model(connection, name)
    version = find_version(connection, model, number)
    before = named(connection, model, check_alias(alias)).number
    check_expected(name, alias, before, expect)
    if before != version.number:
        supersede(connection, model, alias, version.number, by)
        let_name(connection, model, alias, version, Naming(ALIAS), by)


def remove_alias(connection: Connection, name: str, alias: str, by: By, expect: int | None) -> None:
    """As the registry's."""
    model = find_model(connection, name)
    version = find_version(connection, model, check_alias(alias))
    check_expected(name, alias, version.number, expect)
    supersede(connection, model, alias, 0, by)
    append(connection, Change(ALIAS_REMOVED, name, version.number, alias), by)
    connection.execute(sa.delete(aliases).where(is_alias(model, alias)))


def promote(
    connection: Connection,
    name: str,
    number: int,
    by: By,
    alias: str,
    expect: int | None,
    verdicts: tuple[Verdict, ...],
    *,
    forced: bool,
) -> None:
    """As the registry's. An open rollout is ended also where the alias names the version already."""
    model = find_model(connection, name)
    version = find_version(connection, model, number)
    before = named(connection, model, check_alias(alias)).number
    check_expected(name, alias, before, expect)
    detail = {"verdicts": msgspec.to_builtins(verdicts), "forced": forced}
    document_text(detail, "what the gates said")
    supersede(connection, model, alias, version.number, by)
    if before != version.number:
        let_name(connection, model, alias, version, Naming(PROMOTED, detail), by)


def rollback(connection: Connection, name: str, by: By, alias: str) -> int:
    """As the registry's."""
    model = find_model(connection, name)
    present = named(connection, model, check_alias(alias))
    rollout = open_rollout(connection, model, alias)
    if rollout is not None:
        abort(connection, rollout, f"rolled back by {by.who}", by)
        return present.number
    if not present.number:
        raise ConflictError(f"the alias {alias} of {name} names no version: there is nothing to go back from")
    if not present.past:
        raise ConflictError(f"the alias {alias} of {name} named nothing before version {present.number}")
    version = find_version(connection, model, present.past[-1])
    let_name(connection, model, alias, version, Naming(ROLLED_BACK, past=present.past[:-1]), by)
    return int(version.number)
