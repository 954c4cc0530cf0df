"""Asks the registry, in a thread of its own, whether anything changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from modelport.core.errors import InternalError, ModelportError
from modelport.registry.base import Registry
from modelport.registry.releases import Desired

_log = logging.getLogger("modelport.following")
#: Seconds between two looks; after failures they grow to the longest pause.
EVERY, LONGEST_PAUSE = 0.25, 2.0
#: An answer that takes so many seconds does not come.
_LONG = 5.0


@dataclass(frozen=True, slots=True)
class Contact:
    """How it stands with the registry. Moments are Unix seconds, 0 for never; `error` is empty while it answers."""

    head: int = 0
    since: float = 0.0
    last: float = 0.0
    error: str = ""

    def problem(self, now: float) -> str:
        """Why it can't be reached; empty while it answers. A look that takes long is one reason."""
        if self.error or not self.last or now - self.last < _LONG:
            return self.error
        return f"it has not answered for {now - self.last:.0f} s"


class Watch:
    """`told` gets each new desired state, `failed` the first error of a row of them; both are called in the thread."""

    def __init__(
        self,
        make: Callable[[], Registry],
        told: Callable[[Desired], None],
        failed: Callable[[ModelportError], None],
        looked: Callable[[Contact], None],
    ) -> None:
        """`make` opens the registry, or gives the open one; `looked` is called after each look, in the thread."""
        self._make, self._told, self._failed, self._looked = make, told, failed, looked
        self.registry: Registry | None = None
        self.contact = Contact()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelport-following", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. Does not wait for a look that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        pause = EVERY
        head: int | None = None
        while not self._stopped.is_set():
            try:
                head = self._look(head)
                pause = EVERY
            except Exception as error:
                self._fail(error)
                pause = min(pause * 2, LONGEST_PAUSE)
            self._looked(self.contact)
            self._stopped.wait(pause)

    def _look(self, before: int | None) -> int:
        """Ask once; gives the head. Raises what the registry raises."""
        if self.registry is None:
            self.registry = self._make()
        head = self.registry.head()
        desired = self.registry.desired() if head != before else None
        now, contact = time.time(), self.contact
        if contact.error:
            _log.info("the registry answers again")
        if desired is not None:
            head = desired.head
            self._told(desired)
        self.contact = Contact(head, contact.since or now, now)
        return head

    def _fail(self, error: Exception) -> None:
        """Note it; told once, until the registry has answered again. A defect is shown with its traceback."""
        known = error if isinstance(error, ModelportError) else InternalError(f"{type(error).__name__}: {error}")
        first, self.contact = not self.contact.error, replace(self.contact, error=str(known))
        if first:
            if known is not error:
                _log.error("looking at the registry failed", exc_info=error)
            self._failed(known)
