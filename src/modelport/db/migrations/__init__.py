"""Alembic's migrations, as data of the package: `versions/` is read by Alembic, not imported."""
