"""The model: a class with `load` and `predict`, which the server finds and runs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path


class Writer:
    """Continues a text, a word at a time."""

    def load(self, path: Path) -> None:
        """Called once, with the folder that this file is in."""
        self.followers: dict[str, list[str]] = json.loads((path / "followers.json").read_text())

    def predict(self, seed: int = 0, words: int = 20) -> Iterator[str]:
        """The words after a beginning that the seed chooses. The same seed gives the same text."""
        choose = random.Random(seed)
        word = choose.choice([known for known in self.followers if known.istitle()])
        for _ in range(words):
            yield word
            word = choose.choice(self.followers.get(word) or list(self.followers))
