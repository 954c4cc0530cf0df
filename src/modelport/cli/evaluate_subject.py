"""What `modelport evaluate` is pointed at, opened: a model file, or a model behind a URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelport.artifacts.digest import digest, files_of
from modelport.cli.model_opening import open_file
from modelport.cli.predict import find_target, only_model
from modelport.client import Client
from modelport.core.datatypes import Array
from modelport.core.errors import ConflictError, InvalidInputError
from modelport.core.runtime import LoadedModel
from modelport.evaluate.subject import Subject
from modelport.release.promotion.opening import artifact_at, proved
from modelport.runtimes.trust import Trust


class OneVersion:
    """Predicts by a server, and sees to it that one version answers all: figures of two would be nobody's."""

    def __init__(self, client: Client, name: str, version: str | None) -> None:
        self._client, self._name, self._version = client, name, version
        self._answered = ""

    def __call__(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """The outputs. Raises ConflictError where another version answers than before."""
        result = self._client.infer(self._name, inputs, version=self._version)
        before, self._answered = self._answered or result.version, result.version
        if before != result.version:
            raise ConflictError(
                f"version {before} of {self._name!r} answered first, and now version {result.version}: name one with "
                "--version"
            )
        return result.outputs


@contextmanager
def opened(target: str, model: str | None, version: str | None, trust: Trust, timeout: float) -> Iterator[Subject]:
    """The subject, until the block ends. Raises ModelportError, and UnreadableError for no file and no URL."""
    place = find_target(target, model, version)
    if isinstance(place, Path):
        loaded = open_file(place, trust)
        try:
            yield _of_file(place, loaded)
        finally:
            loaded.close()
        return
    with Client(place.server, timeout=timeout, retries=0) as client:
        yield _of_server(client, place.model or only_model(client), place.version)


def _of_file(path: Path, loaded: LoadedModel) -> Subject:
    return Subject(
        name=path.stem,
        signature=loaded.signature,
        predict=loaded.predict,
        digest=digest(path),
        format=loaded.info.format,
        size=sum(file.stat().st_size for file in (files_of(path) if path.is_dir() else [path])),
        golden=proved(loaded, loaded.signature, artifact_at(path).model_file(path.absolute().stem)),
    )


def _of_server(client: Client, name: str, version: str | None) -> Subject:
    signature = client.signature(name, version)
    if not signature.inputs or not signature.outputs:
        raise InvalidInputError(f"{client.url} does not say what the inputs and outputs of {name!r} are")
    return Subject(name, signature, OneVersion(client, name, version), version or "")
