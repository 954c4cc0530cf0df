"""A benchmark's table as Markdown, with what it was measured on; printed, and kept under benchmarks/results/."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("modelport", "onnxruntime", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "orjson", "numpy")


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(name: str, body: str, notes: list[str]) -> None:
    """Print the table and write it, with notes and the machine, to results/<name>.md in place of the last one."""
    text = "\n".join([f"# {name}", "", body, "", *(f"- {note}" for note in [*notes, *_circumstances()]), ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(f"\n{text}")


def _circumstances() -> list[str]:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return [
        f"Command: `python benchmarks/{command}`, commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}",
        f"Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{package} {version(package)}" for package in PACKAGES),
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
