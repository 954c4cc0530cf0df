"""Whether a model fits: what it will need, against what the machine and the container's limit leave.

The kernel ends a process that goes over the limit, and all its models with it: a load that would go there is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from modelport.artifacts.digest import Fingerprint
from modelport.core.errors import OutOfResourcesError
from modelport.core.memory import available_memory, resident_memory
from modelport.engine.quarantine.ledger import Shared

#: What a model was seen to need, by its files' size, counts between these factors.
_LEAST, _MOST = 1.0, 4.0
#: Smaller files are weighed by themselves: nothing is learned from them, and the other workers' copies do not matter.
_SMALL = 16 << 20
#: The workers of a server load the same files at about the same time: so long, in seconds, one decision holds for all.
_HOLDS = 30.0


class Admission:
    """Decides for one process, or for all workers that share a `document`: either each of them loads a model, or none.

    `workers` is how many copies there will be; `reserve` are bytes that are to be left free. While it is `alone`, as a
    worker that starts in another's place, it decides for itself.
    """

    def __init__(
        self,
        document: Shared | None = None,
        workers: int = 1,
        reserve: int = 0,
        alone: bool = False,
        available: Callable[[], int] = available_memory,
    ) -> None:
        self._document, self._workers, self.alone = document, workers, alone
        self._reserve, self._available = reserve, available
        self._factors: dict[str, float] = {}

    @contextmanager
    def admitted(self, name: str, number: int, fingerprint: Fingerprint) -> Iterator[None]:
        """Around a load. Raises OutOfResourcesError where there is no room; learns what the load took."""
        size = sum(bytes_of_file for _, bytes_of_file, _ in fingerprint)
        if size < _SMALL:
            _refuse(self._problem(f"{name}@{number}", size, 1, 0))
            yield
            return
        need = int(size * self._factors.get(name, _LEAST))
        key = f"{name}@{number} {fingerprint}"
        self._decide(key, f"{name}@{number}", need)
        before = resident_memory()
        try:
            yield
            taken = (resident_memory() - before) / size
            self._factors[name] = min(max(taken, _LEAST), _MOST)
        finally:
            self._finish(key)

    def _decide(self, key: str, name: str, need: int) -> None:
        if self._document is None or self.alone:
            problem = self._problem(name, need, 1, 0)
        else:
            with self._document.change() as loads:
                problem = self._decide_for_all(loads, key, name, need)
        _refuse(problem)

    def _decide_for_all(self, loads: dict[str, Any], key: str, name: str, need: int) -> str:
        now = time.time()
        for old in [old for old, entry in loads.items() if entry["until"] < now]:
            del loads[old]
        if key not in loads:
            promised = sum(entry["need"] * entry["left"] for entry in loads.values() if not entry["problem"])
            problem = self._problem(name, need, self._workers, promised)
            loads[key] = {"need": need, "left": self._workers, "problem": problem, "until": now + _HOLDS}
        return str(loads[key]["problem"])

    def _finish(self, key: str) -> None:
        if self._document is not None and not self.alone:
            with self._document.change() as loads:
                entry = loads.get(key)
                if entry is not None:
                    entry["left"] = max(entry["left"] - 1, 0)

    def _problem(self, name: str, need: int, copies: int, promised: int) -> str:
        """Why it does not fit, with the numbers; empty where it does."""
        left = self._available() - self._reserve - promised
        if need * copies <= left:
            return ""
        asked = f"needs about {_text(need)}" + (f" in each of {copies} workers" if copies > 1 else "")
        kept = f" beside the {_text(self._reserve)} that are kept free" if self._reserve else ""
        return f"{name} does not fit: it {asked} of memory, but {_text(max(left, 0))} are left{kept}"


def _refuse(problem: str) -> None:
    if problem:
        raise OutOfResourcesError(problem)


def _text(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size:,} bytes"
