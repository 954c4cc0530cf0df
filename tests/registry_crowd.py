"""A program: many processes push, set aliases and promote on one registry at once. Prints what each did, as JSON.

python registry_crowd.py URL FOLDER PROCESSES TURNS
"""

import json
import os
import sys
from pathlib import Path

from modelport.artifacts.local import LocalStore
from modelport.core.errors import ConflictError
from modelport.db.opening import open_database
from modelport.registry.records import By
from modelport.registry.releases import RolloutPlan
from modelport.registry.sql import SqlRegistry
from modelport.registry.transfers import push_packed
from modelport.testing.registry_contract import packed_file


def main(url, folder, processes, turns):
    gate, opening = os.pipe()
    children = [start(url, Path(folder), number, int(turns), gate, opening) for number in range(int(processes))]
    os.close(opening)
    for pid, _ in children:
        os.waitpid(pid, 0)
    done = [json.loads(Path(folder, f"{number}.json").read_text()) for number in range(len(children))]
    sys.stdout.write(json.dumps(done))


def start(url, folder, number, turns, gate, opening):
    pid = os.fork()
    if pid:
        return pid, number
    done = {"numbers": [], "won": [], "lost": 0, "promoted": [], "beaten": 0, "started": 0, "error": ""}
    try:
        os.close(opening)
        os.read(gate, 1)  # all begin when the parent closes its end, with opening the database
        work(url, folder, number, turns, done)
    except BaseException as error:
        done["error"] = f"{type(error).__name__}: {error}"
    finally:
        (folder / f"{number}.json").write_text(json.dumps(done))
        os._exit(0)


def work(url, folder, number, turns, done):
    registry = SqlRegistry(open_database(url), LocalStore(folder / "store"))
    by = By(f"process {number}")
    for turn in range(turns):
        packed = packed_file(folder / str(number), f"{turn} of {number}".encode())
        made = push_packed(registry, "fraud", packed, by).number
        done["numbers"].append(made)
        present = registry.model("fraud").aliases.get("production", 0)
        try:
            registry.set_alias("fraud", "production", made, by, expect=present)
            done["won"].append([present, made])
        except ConflictError:
            done["lost"] += 1
        release(registry, made, by, done)


def release(registry, number, by, done):
    """Promote the version where nobody else was faster; else roll it out beside what is there, or give up."""
    present = registry.model("fraud").aliases.get("live", 0)
    try:
        registry.promote("fraud", number, by, "live", present)
        done["promoted"].append([present, number])
    except ConflictError:
        done["beaten"] += 1
        try:
            registry.start_rollout("fraud", RolloutPlan(number, alias="live"), by)
            done["started"] += 1
        except ConflictError:
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
