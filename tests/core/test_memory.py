"""What the system says about memory, as its files have it on hosts of either kind."""

from __future__ import annotations

import os

import pytest

from modelport.core.memory import available_memory, oom_kills, release_memory, resident_memory

MEMINFO = "MemTotal: 64000 kB\nMemFree: 10 kB\nMemAvailable: 50000 kB\n"
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def host(tmp_path):
    """Writes files of a made-up host; gives its root."""

    def write(**files):
        for name, text in {"proc/meminfo": MEMINFO, "proc/self/statm": "9 2 1 0 0 0 0", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def v2(current, inactive=0, events="oom 3\noom_kill 2\n"):
    cgroup = "sys/fs/cgroup/app/memory."
    return {
        "proc/self/cgroup": "0::/app\n",
        f"{cgroup}max": "20000000",
        f"{cgroup}current": str(current),
        f"{cgroup}stat": f"anon 1\ninactive_file {inactive}\n",
        f"{cgroup}events": events,
    }


def test_without_a_limit_it_is_what_the_machine_has(host):
    assert available_memory(host()) == 50000 << 10
    assert oom_kills(host()) == 0


def test_a_cgroup_leaves_its_limit_less_what_cannot_be_dropped(host):
    assert available_memory(host(**v2(current=15_000_000))) == 5_000_000
    assert available_memory(host(**v2(current=15_000_000, inactive=4_000_000))) == 9_000_000
    assert available_memory(host(**v2(current=30_000_000))) == 0
    assert oom_kills(host(**v2(current=1))) == 2


def test_a_cgroup_of_version_1(host):
    folder = "sys/fs/cgroup/memory/app/memory."
    root = host(**{
        "proc/self/cgroup": "4:memory:/app\n",
        f"{folder}limit_in_bytes": "20000000",
        f"{folder}usage_in_bytes": "12000000",
        f"{folder}stat": "inactive_file 1\ntotal_inactive_file 2000000\n",
        f"{folder}oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
    })  # fmt: skip
    assert available_memory(root) == 10_000_000
    assert oom_kills(root) == 5


def test_a_host_without_these_files_has_plenty(tmp_path):
    assert available_memory(tmp_path) > 1 << 60
    assert resident_memory(tmp_path) == 0


def test_of_this_host():
    assert resident_memory() > 1 << 20
    assert available_memory() > 1 << 20
    assert release_memory() in (True, False)
