"""A PostgreSQL server of the tests' own, in a folder that goes with it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from glob import glob
from pathlib import Path

from services import require

_NUMBERS = itertools.count()
#: It ends with the tests and is never cut off from its power: what it wrote need not be on the disk.
_QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"


class Postgres:
    """Runs until it is stopped; reached by a socket in its folder, never by the network."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="modelport-postgres-"))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-D", "data", "-U", "modelport", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        """Run it, also again after `halt`."""
        options = f"-c listen_addresses='' -k {self.folder} {_QUICK}"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def halt(self) -> None:
        """End it; what it wrote stays."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(_NUMBERS)}"
        self._run("createdb", "-h", str(self.folder), "-U", "modelport", name)
        return f"postgresql://modelport@/{name}?host={self.folder}"

    def stop(self) -> None:
        """End it and remove what it wrote."""
        self.halt()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *words: str) -> None:
        with (self.folder / "output").open("ab") as output:
            command = [self._programs / program, *words]
            subprocess.run(
                command,
                cwd=self.folder,
                user=self._user,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


def _programs() -> Path:
    """Debian keeps them where no PATH leads."""
    found = sorted(glob("/usr/lib/postgresql/*/bin/pg_ctl"), key=lambda path: int(path.split("/")[4]))
    return Path(found[-1] if found else require("pg_ctl", "postgresql")).parent


def _unprivileged() -> str | None:
    """PostgreSQL does not run as root: whom to be instead."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
