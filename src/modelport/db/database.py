"""A database as its users see it: reads that see one moment, and writes that come one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from modelport.core.errors import UnavailableError

#: The advisory lock of PostgreSQL that whoever writes holds.
_WRITING = 0x6D6F64656C
#: Seconds that a writer waits for those before it.
BUSY_SECONDS = 60.0


class Database:
    """Connections to one database. Safe for threads; a process that was forked makes one of its own.

    Writes come one after the other, on both systems: each sees all that was written before, so that it can decide on
    it, and none has to be tried again.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees the database as it is now, whatever is written meanwhile. Raises UnavailableError."""
        level = None if self.is_sqlite else "REPEATABLE READ"
        with self._speaking(), self._connection(level) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: on the disk when the block ends, undone where it raises. Raises UnavailableError."""
        with self._speaking(), self._connection(None, write=True) as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITING)))
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _connection(self, level: Any, *, write: bool = False) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            options: dict[str, Any] = {"modelport_write": write}
            if level is not None:
                options["isolation_level"] = level
            yield connection.execution_options(**options)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the driver raises where the database can't be had, as an error of ours that names it."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise unavailable(self.engine.url, error) from error


def unavailable(url: URL, error: DBAPIError) -> UnavailableError:
    """The error for a database that can't be had; its password is left out."""
    lines = str(error.orig or error).strip().splitlines()
    said = lines[0] if lines else error
    return UnavailableError(f"the registry {url.render_as_string(hide_password=True)}: {said}")
