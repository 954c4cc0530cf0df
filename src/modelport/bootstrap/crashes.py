"""What the supervisor makes of a worker's end, and how the workers hear of it."""

from __future__ import annotations

import signal
from pathlib import Path

from modelport.core.memory import oom_kills
from modelport.engine.metrics.metrics import Metrics
from modelport.engine.quarantine.flight import read_flight
from modelport.engine.quarantine.guard import Guard
from modelport.engine.quarantine.ledger import Ledger, is_crash
from modelport.server.shared_document import SharedDocument, in_folder


def open_guard(folder: Path, number: int, metrics: Metrics) -> Guard:
    """The quarantine of worker `number`, in the folder that the workers share."""
    return Guard(_flight(folder, number), _document(folder), metrics)


class Crashes:
    """The supervisor's side: after a crash, what the worker was computing is under suspicion."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ledger = Ledger(_document(folder))
        self._oom_kills = oom_kills()

    def ended(self, number: int, code: int) -> None:
        """A worker has ended with that code, negative for a signal."""
        before, self._oom_kills = self._oom_kills, oom_kills()
        if is_crash(code) or (code == -signal.SIGKILL and self._oom_kills > before):
            self._ledger.blame(read_flight(_flight(self._folder, number)))


def _flight(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.flight"


def _document(folder: Path) -> SharedDocument:
    return in_folder(folder, "quarantine")
