"""Compiles `modelport.native` where there is a C compiler. Without one, everything works, slower.

Run by `pip install`, also in place (`-e`). Needs nothing but Python's own headers and a compiler (`CC`, else `cc`).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/modelport/native")
SOURCES = ("numbers.c", "body.c", "collector.c", "gate.c", "filler.c", "framer.c", "meter.c", "module.c")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fno-strict-aliasing", "-Wall")


class NativeBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the compiled extension to the wheel, which then is this platform's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; `MODELPORT_NATIVE=0` leaves it out."""
        if self.target_name != "wheel" or os.environ.get("MODELPORT_NATIVE") == "0" or os.name != "posix":
            return
        folder = Path(self.root) / FOLDER
        built = folder / f"_collect{sysconfig.get_config_var('EXT_SUFFIX')}"
        problem = compiled(folder, built)
        if problem:
            print(f"modelport: the fast path is left out, all else works: {problem}", file=sys.stderr)  # noqa: T201
            return
        build_data["artifacts"].append(str(FOLDER / built.name))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(folder: Path, target: Path) -> str:
    """Compile into `target`, which appears as a whole or not at all; what went wrong, or nothing."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    headers = sysconfig.get_path("include")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        made = Path(scratch) / target.name
        more = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
        command = [*compiler, *FLAGS, *more, f"-I{headers}", *(str(folder / name) for name in SOURCES), "-o", str(made)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["the compiler failed"])[-1]
        made.replace(target)
    return ""
