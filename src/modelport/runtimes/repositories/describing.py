"""Models in the repositories of other servers, read where they lie: Triton's, MLServer's, and MLflow's folders."""

from __future__ import annotations

from pathlib import Path

from modelport.runtimes.repositories.described import Described
from modelport.runtimes.repositories.mlflow import describe_mlflow
from modelport.runtimes.repositories.mlserver_settings import describe_mlserver
from modelport.runtimes.repositories.triton_config import describe_triton


def describe(folder: Path) -> Described | None:
    """What another server's description in `folder` says of the model there; None where there is no such description.

    A model whose file is itself an MLflow folder is that folder's flavour. Raises InvalidModelError for a description
    that can't be read, MissingExtraError where it needs a package to read it.
    """
    found = describe_triton(folder) or describe_mlserver(folder) or describe_mlflow(folder)
    return found and _within(found)


def _within(found: Described) -> Described:
    """MLServer's runtime for MLflow names such a folder: its tables stand under those of the settings."""
    versions, tables, problem = dict(found.versions), dict(found.tables), found.problem
    warnings, files = [*found.warnings], [*found.files]
    for number, path in found.versions.items():
        inner = describe_mlflow(path) if path.is_dir() else None
        if inner is not None and inner.versions[1] != path:
            versions[number] = inner.versions[1]
            tables = {**inner.tables, **found.tables}
            warnings += inner.warnings
            files += inner.files
            problem = problem or inner.problem
    return Described(found.name, versions, tables, tuple(warnings), problem, tuple(files), found.joins)
