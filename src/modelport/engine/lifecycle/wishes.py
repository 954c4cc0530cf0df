"""What a registry wants of models, and what that means for those that are loaded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from modelport.core.errors import ModelportError
from modelport.engine.served import ServedModel


@dataclass(frozen=True, slots=True)
class Wish:
    """What a registry wants of one model: all its versions that a source shows are served.

    `preferred` answers where none is named (0: none does). `versions` are all that are wanted, also those that no
    source shows yet, of which `problems` says why. `warm` are those of them that wait for a rollback: where memory is
    short they go first, and whether they load is no matter.
    """

    aliases: Mapping[str, int]
    versions: frozenset[int]
    preferred: int = 0
    warm: frozenset[int] = frozenset()
    problems: Mapping[int, ModelportError] = field(default_factory=dict)

    def order(self, numbers: Collection[int]) -> list[int]:
        """The order in which versions are loaded: what answers first, what waits for a rollback last."""
        return sorted(numbers, key=lambda number: (number in self.warm, number != self.preferred, number))

    def failure(self, failed: Mapping[int, ModelportError]) -> ModelportError | None:
        """The error that says most of the model's state: that of the version which should answer before others."""
        told = {number: error for number, error in {**failed, **self.problems}.items() if number in self.versions}
        numbers = [number for number in self.order(told) if number not in self.warm]
        return told[numbers[0]] if numbers else None


class Wishes:
    """The wishes for all models; None of them is there where no registry is followed."""

    def __init__(self) -> None:
        self._by_name: Mapping[str, Wish] | None = None

    @property
    def there(self) -> bool:
        """Whether a registry is followed."""
        return self._by_name is not None

    def of(self, name: str) -> Wish | None:
        """What is wanted of a model; None where no registry is followed, or this one does not name it any more."""
        return None if self._by_name is None else self._by_name.get(name)

    def change(self, wishes: Mapping[str, Wish]) -> Iterator[tuple[str, int]]:
        """Want this from now on; gives the versions that should answer and should not before."""
        before, self._by_name = self._by_name or {}, wishes
        for name, wish in wishes.items():
            old = before.get(name)
            if wish.preferred and (old is None or old.preferred != wish.preferred):
                yield name, wish.preferred

    def drops(self, name: str, number: int) -> bool:
        """Whether a version is not wanted any more."""
        wish = self.of(name)
        return self.there and (wish is None or number not in wish.versions)

    def spares(self, name: str, number: int) -> bool:
        """Whether a version only waits for a rollback."""
        wish = self.of(name)
        return wish is not None and number in wish.warm

    def kept(self, model: ServedModel, saving: bool) -> set[int]:
        """Which of the ready versions stay: those that are wanted, and those that answer in place of one that is not
        ready yet. `saving`: none waits for a rollback.
        """
        wish = self.of(model.name)
        if wish is None:
            return set(model.by_number)  # the next look takes the model away
        return set(wish.versions - wish.warm if saving else wish.versions) | model.in_use

    def spare(self, model: ServedModel) -> set[int]:
        """The ready versions that only wait for a rollback."""
        wish = self.of(model.name)
        return set() if wish is None else (set(wish.warm) & model.by_number.keys()) - model.in_use
