"""What this process may use of its host: the CPUs and the memory that the container's limits leave it.

`os.cpu_count()` and `/proc/meminfo` speak of the whole machine; a container with a quota of 2 CPUs on a machine of 64
would start 64 threads that fight for 2. Sources: cgroups(7), "Control Group v2" (`cpu.max`, `memory.max`) and the v1
controllers (`cpu.cfs_quota_us`, `memory.limit_in_bytes`) in the kernel's documentation.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")

#: Version 1 writes "no limit" as the largest multiple of the page size below 2⁶³.
_NO_LIMIT = 1 << 62


def cpu_quota(root: Path = ROOT) -> int:
    """How many CPUs this process may use, rounded up, at least 1: its affinity, or the cgroup's quota where less."""
    quotas = [_quota_v2(folder) for folder in _folders_v2(root)]
    quotas += [_quota_v1(folder) for folder in _folders_v1(root, "cpu")]
    least = min((quota for quota in quotas if quota is not None), default=math.inf)
    usable = _affinity()
    return max(1, usable if least >= usable else math.ceil(least))


def memory_limit(root: Path = ROOT) -> int | None:
    """How many bytes of memory the cgroup leaves this process; None where it sets no limit."""
    limits = [_number(folder / "memory.max") for folder in _folders_v2(root)]
    limits += [_number(folder / "memory.limit_in_bytes") for folder in _folders_v1(root, "memory")]
    return min((limit for limit in limits if limit is not None and 0 <= limit < _NO_LIMIT), default=None)


def cgroup_folders(root: Path = ROOT, controller: str | None = None) -> list[Path]:
    """The folders of this process's cgroup and those above it, of version 2, or of a controller of version 1."""
    return list(_folders_v2(root) if controller is None else _folders_v1(root, controller))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None  # "max", or no such file
    return int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota is not None and period else None


def _folders_v2(root: Path) -> Iterator[Path]:
    for controllers, path in _memberships(root):
        if controllers == "":
            for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                yield from _upwards(root / mount, path)


def _folders_v1(root: Path, controller: str) -> Iterator[Path]:
    for controllers, path in _memberships(root):
        if controller in controllers.split(","):
            for mount in {controllers, controller}:
                yield from _upwards(root / "sys/fs/cgroup" / mount, path)


def _memberships(root: Path) -> Iterator[tuple[str, str]]:
    """The controllers and the path of each cgroup that this process is in; version 2 names no controllers."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        yield controllers, path


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The cgroup's folder and every one above it: each may set a limit, and the least one holds.

    Inside a container the path may be the host's, which does not exist here; the mount itself then is the container's.
    """
    parts = [part for part in path.split("/") if part and part != ".."]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
