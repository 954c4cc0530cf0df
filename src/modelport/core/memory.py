"""How much memory is used and left, for this process and its container, and giving back what is free.

Sources: cgroups(7), "Control Group v2" (`memory.current`, `memory.stat`, `memory.events`) and the v1 controller
(`memory.usage_in_bytes`, `memory.oom_control`); proc(5) (`statm`, `meminfo`); malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from modelport.core.host import ROOT, cgroup_folders, memory_limit

_PLENTY = 1 << 62


def resident_memory(root: Path = ROOT) -> int:
    """The resident memory of this process, in bytes; 0 where the system does not say."""
    words = _lines(root / "proc/self/statm")
    return int(words[0].split()[1]) * os.sysconf("SC_PAGE_SIZE") if words else 0


def available_memory(root: Path = ROOT) -> int:
    """Bytes that may still be taken: what the machine has free, and what the cgroup's limit leaves."""
    free = _field(root / "proc/meminfo", "MemAvailable:")
    left = _PLENTY if free is None else free << 10
    limit = memory_limit(root)
    if limit is not None:
        left = min(left, limit - _used(root))
    return max(left, 0)


def oom_kills(root: Path = ROOT) -> int:
    """How many processes of this cgroup the kernel has killed because memory ran out."""
    for folder, file in _files(root, "memory.events", "memory.oom_control"):
        count = _field(folder / file, "oom_kill")
        if count is not None:
            return count
    return 0


def release_memory() -> bool:
    """Give memory that is free back to the system; False where the C library has no such call.

    Other threads that allocate wait for a part of the time, some milliseconds for a large heap.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):  # another C library
        return False


def _used(root: Path) -> int:
    """What counts against the cgroup's limit and can't be dropped; this process's own memory at least."""
    for folder, file in _files(root, "memory.current", "memory.usage_in_bytes"):
        lines = _lines(folder / file)
        if lines and lines[0].isdecimal():
            statistics = folder / "memory.stat"
            cached = _field(statistics, "total_inactive_file") or _field(statistics, "inactive_file") or 0
            return max(int(lines[0]) - cached, resident_memory(root))
    return resident_memory(root)


def _files(root: Path, v2: str, v1: str) -> list[tuple[Path, str]]:
    return [(folder, v2) for folder in cgroup_folders(root)] + [
        (folder, v1) for folder in cgroup_folders(root, "memory")
    ]


def _field(path: Path, name: str) -> int | None:
    """The number after a name at the beginning of a line."""
    for line in _lines(path):
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdecimal():
            return int(words[1])
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
