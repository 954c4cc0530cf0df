"""Running the migrations. Imported only where tables are to be changed: Alembic takes its time to import."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from modelport.db.schema import metadata

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring the tables to a migration, in the transaction that the connection is in."""
    scripts = _scripts()

    def steps(revision: object, _: object) -> object:
        return scripts._upgrade_revs(to, revision)  # type: ignore[arg-type]  # noqa: SLF001 - as alembic.command does

    logging.getLogger("alembic").setLevel(logging.WARNING)
    with EnvironmentContext(_config(), scripts, fn=steps, destination_rev=to) as context:
        context.configure(connection=connection, target_metadata=metadata)
        context.run_migrations()


def knows(revision: str) -> bool:
    """Whether there is a migration of that name."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


def newest() -> str | None:
    """The name of the last migration."""
    return _scripts().get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))
