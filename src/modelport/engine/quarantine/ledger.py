"""Which inputs are suspected of killing workers, and which are refused: one document for all workers of a server."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from modelport.engine.metrics.metrics import Metrics
from modelport.engine.quarantine.flight import Flown

_log = logging.getLogger("modelport.quarantine")
#: After this many seconds without a second crash a suspicion is dropped.
_FORGOTTEN = 3600.0
#: The ends that a model's code brings about. SIGKILL is somebody's will, or the kernel's where memory ran out.
_CRASHES = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS)
)


class Shared(Protocol):
    """A document that all workers see, such as `server.shared_document.SharedDocument`."""

    def read(self) -> dict[str, Any]:
        """The content, not to be changed."""

    def change(self) -> AbstractContextManager[dict[str, Any]]:
        """The content, to be changed in place."""


def is_crash(code: int) -> bool:
    """Whether a process that ended with that code, negative for a signal, was ended by what it computed."""
    return code > 0 or code in _CRASHES


class Ledger:
    """A worker's view of the document, and what the supervisor writes into it.

    A row that was in flight at a crash is a suspect. A suspect runs alone: it either ends, and is cleared, or is what
    was in flight at the next crash too, and is refused from then on.
    """

    def __init__(self, document: Shared, metrics: Metrics | None = None) -> None:
        self._document, self._metrics = document, metrics
        self._known: dict[str, Any] | None = None
        #: Artifacts of which anything is suspected or refused, by their digests; samples and full keys of rows.
        self.digests: frozenset[str] = frozenset()
        self.suspects: frozenset[str] = frozenset()
        self.refused: frozenset[str] = frozenset()
        self.catch_up()

    def catch_up(self) -> None:
        """Look at what the others wrote. Costs one look at a file's status where that is nothing."""
        content = self._document.read()
        if content is self._known:
            return
        self._known = content
        suspects, refused = content.get("suspects", {}), content.get("refused", {})
        self.suspects, self.refused = frozenset(suspects), frozenset(refused)
        self.digests = frozenset(entry["digest"] for entry in (*suspects.values(), *refused.values()))
        for model in {entry["model"] for entry in refused.values()}:
            count = sum(entry["model"] == model for entry in refused.values())
            if self._metrics is not None:
                self._metrics.latest("quarantined", {"model": model})[0] = count

    def blame(self, flown: Iterable[Flown]) -> None:
        """A worker has crashed while it computed these rows."""
        rows, now = list(flown), time.time()
        if not rows:
            return
        with self._document.change() as content:
            suspects, refused = content.setdefault("suspects", {}), content.setdefault("refused", {})
            for sample in [sample for sample, entry in suspects.items() if now - entry["when"] > _FORGOTTEN]:
                del suspects[sample]
            for row in rows:
                entry = {"model": row.model, "version": row.version, "digest": row.digest, "when": now}
                if row.sample in suspects and row.full is not None:
                    del suspects[row.sample]
                    refused[row.full] = entry
                    _log.error(
                        "an input of %s@%d was running at two crashes: it is refused from now on (%s)",
                        row.model, row.version, row.full,
                    )  # fmt: skip
                elif row.full not in refused:
                    suspects[row.sample] = entry
        _log.warning("%d rows of input were running when the worker crashed", len(rows))

    def clear(self, sample: str) -> None:
        """A suspect has run to its end."""
        with self._document.change() as content:
            content.get("suspects", {}).pop(sample, None)
        self.catch_up()

    def count_refusal(self, model: str) -> None:
        """A refused input came again."""
        if self._metrics is not None:
            self._metrics.add("quarantine_refusals", {"model": model})
