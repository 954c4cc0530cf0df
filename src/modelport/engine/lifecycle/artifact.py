"""The files of one version, as a source saw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from modelport.artifacts.digest import Fingerprint
from modelport.artifacts.model_file import ModelFile, model_file
from modelport.runtimes.repositories.described import Described


@dataclass(frozen=True, slots=True)
class Artifact:
    """The files of one version, and the state in which they were seen.

    `folders` are those whose `modelport.toml` speaks of it, the last one with the last word; `described`, what another
    server's repository says of it, under them. `called` is what its files call the model, where that is not the name
    that it is served by; `shared`, those of the folders whose file speaks of other models too.
    """

    path: Path
    fingerprint: Fingerprint
    folders: tuple[Path, ...] = ()
    described: Described | None = None
    called: str = ""
    shared: frozenset[Path] = field(default=frozenset(), compare=False)

    def model_file(self, model: str) -> ModelFile:
        """What its owner says about it under that name. Raises InvalidModelError."""
        under = self.described.tables if self.described else {}
        return model_file(self.called or model, *self.folders, under=under, shared=self.shared)
