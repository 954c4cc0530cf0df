"""A text generator in Python that answers word by word, as a stream.

    python examples/writer/train.py [FOLDER]      (default: examples/writer/models)
    modelport serve examples/writer/models --trust writer

It learns which word follows which, from the descriptions of the data sets that scikit-learn brings. What it writes has
the sound of a data sheet and no meaning; what matters here is that each word is sent as soon as it is chosen.
The model itself is `model.py`: the server runs it in a process of its own, and needs no framework for it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from sklearn import datasets

HERE = Path(__file__).resolve().parent
SOURCES = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    model = folder / "writer"
    model.mkdir(parents=True, exist_ok=True)
    words = learned()
    followers = chain(words)
    (model / "followers.json").write_text(json.dumps(followers))
    shutil.copyfile(HERE / "model.py", model / "model.py")
    choices = sum(len(set(choice)) > 1 for choice in followers.values())
    print(
        f"writer: {len(words)} words read, {len(followers)} different ones; after {choices} of them there is a choice"
    )


def learned() -> list[str]:
    """The words of all descriptions, in their order; what is no prose (tables, headings) is left out."""
    texts = [getattr(datasets, f"load_{name}")().DESCR for name in SOURCES]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    prose = " ".join(line for line in lines if line.count(" ") > 4 and not re.search(r"[=:|]{2}|^[-.*|:]", line))
    return re.findall(r"(?:(?<=\s)|^)[A-Za-z][A-Za-z'-]*[.,;]?(?=\s)", prose)


def chain(words: list[str]) -> dict[str, list[str]]:
    """A word → all words that followed it, as often as they did."""
    followers = defaultdict(list)
    for first, second in pairwise(words):
        followers[first].append(second)
    return dict(followers)


if __name__ == "__main__":
    main()
