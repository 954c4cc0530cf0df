"""Models out of an MLflow registry, for `modelport push runs:/…` and `models:/name/3`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from modelport.core.errors import InvalidInputError, MissingExtraError, ModelportError, NotFoundError
from modelport.registry.references import check_alias, check_tag

SCHEMES = ("runs:/", "models:/")


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that was fetched, and what MLflow says of it. `aliases` and `tags` are those that can be ours."""

    path: Path
    name: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@contextmanager
def imported(uri: str) -> Iterator[Imported]:
    """The model at an MLflow URI, in a folder that goes when the block ends.

    Where MLflow's server is, MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI say, as always. Raises MissingExtraError
    without MLflow, NotFoundError for what it has not got.
    """
    try:
        mlflow: Any = import_module("mlflow")
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{uri} needs {error.name!r}: pip install mlflow-skinny, or mlflow") from None
    with tempfile.TemporaryDirectory(prefix="modelport-mlflow-") as folder:
        try:
            yield _fetched(mlflow, uri, folder)
        except mlflow.exceptions.MlflowException as error:
            raise NotFoundError(f"MLflow has no {uri}: {error}") from None


def _fetched(mlflow: Any, uri: str, folder: str) -> Imported:
    client = mlflow.MlflowClient()
    version = _version(client, uri) if uri.startswith("models:/") else None
    run = uri.removeprefix("runs:/").partition("/")[0] if version is None else version.run_id
    path = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
    metrics = dict(client.get_run(run).data.metrics) if run else {}
    if version is None:
        return Imported(path, metrics=metrics)
    aliases = tuple(alias for alias in version.aliases if _can_be(check_alias, alias))
    tags = {name: str(value) for name, value in version.tags.items() if _can_be(check_tag, name)}
    return Imported(path, version.name, version.description or "", aliases, tags, metrics)


def _version(client: Any, uri: str) -> Any:
    """The registered version that `models:/name/3` or `models:/name@alias` names."""
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if at:
        return client.get_model_version_by_alias(name, alias)
    name, slash, number = name.rpartition("/")
    if not slash or not number.isdecimal():
        raise InvalidInputError(f"{uri}: write models:/name/3 or models:/name@alias")
    return client.get_model_version(name, number)


def _can_be(check: Any, name: str) -> bool:
    try:
        check(name)
    except ModelportError:
        return False
    return True
