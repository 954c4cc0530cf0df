"""The port of the pages: what they need to know about the served models. The engine satisfies it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from modelport.core.runtime import ModelInfo
from modelport.core.signature import Signature


class VersionView(Protocol):
    """One loaded version. `loaded_at` is in Unix seconds, `cost_ms` what one prediction took when it was measured.

    `batching` says in words whether requests are computed together, `cost_curve` what rows cost: (rows, milliseconds).
    """

    @property
    def version(self) -> int: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def info(self) -> ModelInfo: ...
    @property
    def digest(self) -> str: ...
    @property
    def loaded_at(self) -> float: ...
    @property
    def execution(self) -> str: ...
    @property
    def cost_ms(self) -> float: ...
    @property
    def batching(self) -> str: ...
    @property
    def cost_curve(self) -> Sequence[tuple[int, float]]: ...


class ModelView(Protocol):
    """One model: its loaded versions in ascending order, the one that answers by default, and its state.

    `state` is `ready`, `loading`, `failed` or `unloaded`; `error` says why it failed.
    """

    @property
    def name(self) -> str: ...
    @property
    def versions(self) -> Sequence[VersionView]: ...
    @property
    def default(self) -> VersionView | None: ...
    @property
    def state(self) -> str: ...
    @property
    def error(self) -> str | None: ...


class Catalog(Protocol):
    """What is served now. Called once per page, on the event loop: it must not block."""

    def models(self) -> Sequence[ModelView]: ...
