"""From a URL to a database whose tables are as this version of Modelport wants them."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from modelport.core.errors import InvalidInputError, MissingExtraError, UnavailableError
from modelport.db.database import BUSY_SECONDS, Database, unavailable
from modelport.db.schema import HEAD

#: The advisory lock of PostgreSQL that whoever migrates holds.
_MIGRATING = 0x6D6F64656D


def open_database(place: str | Path) -> Database:
    """The database at `postgresql://user@host/name`, or in a file (its path, or `sqlite:///path`), migrated to HEAD.

    Several may open it at once. Raises InvalidInputError for another URL, MissingExtraError without the driver,
    UnavailableError where it can't be reached or was made by a newer Modelport.
    """
    engine = make_engine(place)
    try:
        if _revision(engine) != HEAD:
            with _alone(engine):
                _migrate(engine)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, DatabaseError):
            raise unavailable(engine.url, error) from error
        raise
    return Database(engine)


def make_engine(place: str | Path) -> Engine:
    """An engine whose connections begin transactions as `Database` means them. Raises as `open_database`."""
    parsed = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else _parsed(place)
    try:
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        return sa.create_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"PostgreSQL needs {error.name!r}: pip install 'modelport[postgres]'") from None


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql"):
        raise InvalidInputError(f"{url!r} is no registry: write sqlite:///path or postgresql://user@host/name")
    if backend == "sqlite" and not parsed.database:
        raise InvalidInputError(f"{url!r} names no file: write sqlite:///path")
    return parsed.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def _sqlite(url: URL) -> Engine:
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"the registry {url.database} can't be made: {error.strerror}") from None
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _connected)
    sa.event.listen(engine, "begin", _begun)
    return engine


def _connected(connection: sqlite3.Connection, _: Any) -> None:
    """The driver begins no transactions of its own; what is acknowledged is on the disk."""
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begun(connection: Connection) -> None:
    """A writer takes the lock at once: had it read first, it might find that it can't have it any more."""
    write = connection.get_execution_options().get("modelport_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _revision(engine: Engine) -> str | None:
    """The migration that the database is at; None for one without tables."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return found


def _migrate(engine: Engine) -> None:
    """Bring the tables to HEAD, unless another did while this one waited."""
    found = _revision(engine)
    if found == HEAD:
        return
    from modelport.db.migrating import knows, upgrade  # noqa: PLC0415 - most find the tables as they should be

    if found is not None and not knows(found):
        raise UnavailableError(
            f"the registry {engine.url.render_as_string()} was made by a newer Modelport (its tables are at {found!r}, "
            f"this one knows them up to {HEAD!r}): upgrade Modelport"
        )
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # stays in the file; it can't be set while others read
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("PRAGMA journal_mode = WAL")
    with engine.connect().execution_options(modelport_write=True) as connection, connection.begin():
        upgrade(connection)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """While the block runs, no other process migrates this database."""
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATING)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATING)))
