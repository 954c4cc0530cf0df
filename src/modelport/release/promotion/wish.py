"""What a promotion or an evaluation is asked for, and what comes of it: plain values, the same as JSON and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelport.core.errors import ConflictError
from modelport.registry.releases import RolloutPlan, RolloutRecord, Verdict

#: Told how much is done, of how much, and what is being done.
Progress = Callable[[int, int, str], None]
#: What the progress of a promotion or an evaluation ends with.
WHOLE = 100


@dataclass(frozen=True, slots=True)
class DataRef:
    """Labelled data in the artifact store: the sha256 of its content, what it is called, its label column."""

    digest: str
    name: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """Let `alias` name `version`, or begin the rollout that does. `gates` and `data` count for this time only.

    `gates` are judged beside those of the model; `data` is used in place of theirs. With `force` the gates are judged,
    and what they say is written down, but none refuses.
    """

    model: str
    version: int
    alias: str = "production"
    rollout: RolloutPlan | None = None
    gates: tuple[str, ...] = ()
    data: DataRef | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Promoted:
    """What came of a promotion. `before` is what the alias named, None where it named nothing.

    `evaluation` is that of this promotion, None where nothing was measured; `rollout` the one that began.
    `already`: the alias named the version before, and nothing was done.
    """

    model: str
    version: int
    alias: str
    before: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    forced: bool = False
    evaluation: int | None = None
    rollout: RolloutRecord | None = None
    already: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationWish:
    """Measure `version` on labelled data, perhaps beside another version, and judge gates. Nothing is promoted.

    `slices` and `ignored` are columns; `task` and `output` are found where they are empty.
    """

    model: str
    version: int
    data: DataRef
    compare: int | None = None
    gates: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    task: str = ""
    output: str = ""
    batch: int = 256
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of an evaluation: the record's number, and a verdict for each gate."""

    evaluation: int
    verdicts: tuple[Verdict, ...] = ()


class RefusedError(ConflictError):
    """Gates refused a promotion; `verdicts` are those of all gates."""

    def __init__(self, text: str, verdicts: tuple[Verdict, ...] = ()) -> None:
        super().__init__(text)
        self.verdicts = verdicts


def quiet(done: int, total: int, text: str) -> None:
    """Progress that nobody looks at."""
