"""What passes between a server and the process of a job: JSON lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from modelport.registry.jobs import JobRecord
from modelport.registry.opening import RegistrySettings
from modelport.registry.releases import Verdict


@dataclass(frozen=True, slots=True)
class Task:
    """The only line that a job's process reads: what to do, on which registry, and whom to trust."""

    job: JobRecord
    registry: RegistrySettings
    trust: str = ""
    trust_globals: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: the error's text and kind, and what gates said."""

    error: str
    kind: str
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a job's process: how far it is, or at the end one of result and failure."""

    done: int = 0
    total: int = 0
    text: str = ""
    result: dict[str, Any] | None = None
    failure: Failure | None = None


@dataclass(slots=True)
class Heard:
    """All that a job's process said: its progress, and how it ended if it said so."""

    latest: Line = field(default_factory=Line)
    end: Line | None = None

    def take(self, text: bytes) -> None:
        """One more line. What is none (a process that dies may write half of one) is passed over."""
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError:
            return
        if line.result is not None or line.failure is not None:
            self.end = line
        else:
            self.latest = line
