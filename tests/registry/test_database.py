"""Databases: migrations, and what is said where one can't be had."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from modelport.core.errors import InvalidInputError, UnavailableError
from modelport.db.migrating import newest
from modelport.db.opening import make_engine, open_database
from modelport.db.schema import HEAD, metadata


def test_head_is_the_newest_migration():
    assert newest() == HEAD


def test_an_empty_database_becomes_what_the_tables_say(new_database, closing):
    database = closing(open_database(new_database))
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        indexes = {index["name"] for table in metadata.tables for index in sa.inspect(connection).get_indexes(table)}
    assert {index.name for table in metadata.tables.values() for index in table.indexes} <= indexes


def test_many_open_an_empty_database_at_once(new_database, closing):
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: closing(open_database(new_database)), range(6)))
    for database in opened:
        with database.read() as connection:
            assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
            assert connection.scalar(sa.text("SELECT count(*) FROM chain")) == 1


def test_sqlite_writes_ahead_and_waits(tmp_path, closing):
    database = closing(open_database(tmp_path / "a home?" / "registry.db"))
    with database.read() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
        assert connection.scalar(sa.text("PRAGMA busy_timeout")) >= 60_000


def test_a_write_that_raises_is_undone(new_database, closing):
    database = closing(open_database(new_database))

    def write_and_fail():
        with database.write() as connection:
            connection.execute(sa.text("UPDATE chain SET seq = 7"))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT seq FROM chain")) == 0


def test_a_read_sees_one_moment(new_database, closing):
    database = closing(open_database(new_database))
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT seq FROM chain")) == 0
        with database.write() as writing:
            writing.execute(sa.text("UPDATE chain SET seq = 7"))
        assert connection.scalar(sa.text("SELECT seq FROM chain")) == 0
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT seq FROM chain")) == 7


def test_a_newer_modelports_database_is_not_touched(new_database, closing):
    closing(open_database(new_database))
    engine = make_engine(new_database)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(UnavailableError, match="newer Modelport"):
        open_database(new_database)


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "sqlite://", "", "sqlite:///"])
def test_other_urls_are_refused(url):
    with pytest.raises(InvalidInputError, match="sqlite:///path"):
        open_database(url)


def test_what_can_not_be_reached_is_named_without_its_password(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(UnavailableError, match="someone") as raised:
        open_database(f"postgresql://someone:secret@/name?host={tmp_path}")
    assert "secret" not in str(raised.value)
    (tmp_path / "file").write_bytes(b"this is no database, and long enough to be none " * 100)
    with pytest.raises(UnavailableError, match="not a database"):
        open_database(tmp_path / "file")


def test_serving_a_file_imports_no_database():
    code = (
        "import sys, modelport.bootstrap.serving, modelport.cli.serve\n"
        "assert not {'sqlalchemy', 'alembic', 'boto3'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
