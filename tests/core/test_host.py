"""CPU and memory limits of control groups, from real files as the kernel writes them."""

import os

import pytest

from modelport.core import host
from modelport.core.host import cpu_quota, memory_limit


@pytest.fixture(autouse=True)
def _sixteen_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


@pytest.fixture
def root(tmp_path):
    """A root folder that holds the files given by path."""

    def root(files):
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(f"{content}\n")
        return tmp_path

    return root


V2 = {"proc/self/cgroup": "0::/a/b"}
V1 = {"proc/self/cgroup": "5:cpuacct,cpu:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/\n0::/"}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 16),
        (V2, 16),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 16),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "200000 100000"}, 2),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "150000 100000"}, 2),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "1000 100000"}, 1),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "9900000 100000"}, 16),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000", "sys/fs/cgroup/a/cpu.max": "300000 100000"}, 3),
        (V2 | {"sys/fs/cgroup/cpu.max": "500000 100000"}, 5),  # in a container, whose own group is the root
        (V2 | {"sys/fs/cgroup/unified/a/b/cpu.max": "200000 100000"}, 2),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "100000 0"}, 16),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "what is this"}, 16),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": ""}, 16),
        (
            V1
            | {
                "sys/fs/cgroup/cpuacct,cpu/docker/abc/cpu.cfs_quota_us": 250000,
                "sys/fs/cgroup/cpuacct,cpu/docker/abc/cpu.cfs_period_us": 100000,
            },
            3,
        ),
        (
            V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": 100000, "sys/fs/cgroup/cpu/cpu.cfs_period_us": 50000},
            2,
        ),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": -1, "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000}, 16),
        (V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": 100000}, 16),
        ({"proc/self/cgroup": "nonsense\n::\n0::/../../x"}, 16),
    ],
)
def test_cpus(root, files, cpus):
    assert cpu_quota(root(files)) == cpus


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": "max"}, None),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": 1 << 30}, 1 << 30),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": 1 << 30, "sys/fs/cgroup/a/memory.max": 1 << 29}, 1 << 29),
        (V1 | {"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": 1 << 30}, 1 << 30),
        (V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712}, None),
        (V2 | {"sys/fs/cgroup/a/b/memory.max": 0}, 0),
    ],
)
def test_memory(root, files, limit):
    assert memory_limit(root(files)) == limit


def test_affinity(monkeypatch, root):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert cpu_quota(root(V2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000"})) == 1


@pytest.mark.parametrize(("count", "cpus"), [(6, 6), (None, 1)])
def test_a_host_without_affinity(monkeypatch, tmp_path, count, cpus):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cpu_quota(tmp_path) == cpus


def test_a_file_that_may_not_be_read_or_is_no_text(tmp_path):
    (tmp_path / "proc/self/cgroup").mkdir(parents=True)
    assert cpu_quota(tmp_path) == 16
    (tmp_path / "x").write_bytes(b"\xff\xfe12")
    assert host._number(tmp_path / "x") is None


def test_this_host():
    assert 1 <= cpu_quota() <= 16
    assert memory_limit() is None or memory_limit() > 0
