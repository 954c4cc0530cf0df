"""Boosters with changed bytes, each in a process of its own: `python damaged_boosters.py FILE FORMAT COUNT`.

Prints as JSON how many files of how they ended: what loading them unprotected does, what their trial says, and what
those do that passed it. A file that passed its trial must end no process. The last file that would have ended one is
left beside FILE as `ending` with the same suffix.
"""

import json
import os
import random
import resource
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from modelport.core.datatypes import DTYPES
from modelport.core.runtime import LoadSpec
from modelport.runtimes.boosting.trial import try_out
from modelport.runtimes.catalog import runtime_for


def damaged(content, seed):
    """The content with a few bytes changed, digits into digits where it is text, so that it stays readable."""
    chosen, changed = random.Random(seed), bytearray(content)
    for _ in range(chosen.choice((1, 1, 2, 4, 8))):
        place = chosen.randrange(len(changed))
        digit = chr(changed[place]).isdigit() and chosen.random() < 0.8
        changed[place] = chosen.choice(b"0123456789-") if digit else changed[place] ^ 1 << chosen.randrange(8)
    return bytes(changed)


def ended(work, seconds=4):
    """How a process that does the work ends: `fine`, `refused`, or the signal."""
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        for end in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), end)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return ("fine", "refused")[os.WEXITSTATUS(status)] if os.WEXITSTATUS(status) < 2 else "exit"


def use(path, kind, seed):
    """Load, and predict rows that no trial has seen; a row may be refused."""
    model = runtime_for(kind).load(path, LoadSpec(threads=1))
    chosen = np.random.default_rng(seed + 1)
    for scale in (0.1, 3.0, 100.0, 1e8):
        (spec,) = model.signature.inputs
        rows = (chosen.standard_normal((500, spec.shape[1])) * scale).astype(DTYPES[spec.datatype])
        rows[::7] = np.nan
        rows[::11] = np.abs(np.round(rows[::11]))
        try:
            model.predict({spec.name: rows})
        except Exception:
            return


def main(source, kind, count):
    content = Path(source).read_bytes()
    path = Path(source).with_name(f"damaged{Path(source).suffix}")
    counts = {"unprotected": Counter(), "trial": Counter(), "passed": Counter()}
    for seed in range(int(count)):
        path.write_bytes(damaged(content, seed))
        bare = ended(partial(use, path, kind, seed))
        counts["unprotected"][bare] += 1
        if bare.startswith("SIG"):
            path.with_stem("ending").write_bytes(path.read_bytes())
        verdict = ended(lambda: try_out(path, kind))
        counts["trial"][verdict] += 1
        if verdict == "fine":
            after = ended(partial(use, path, kind, seed))
            counts["passed"][after] += 1
            if after not in ("fine", "refused"):
                sys.stderr.write(f"seed {seed} ends a process ({after})\n")
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    runtime_for(sys.argv[2])
    main(*sys.argv[1:])
