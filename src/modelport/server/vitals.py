"""What a worker process uses: memory, CPU time, connections."""

from __future__ import annotations

import os
import resource
from collections.abc import Sized

from modelport.engine.metrics.metrics import Metrics

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """The resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE


def record_vitals(metrics: Metrics, connections: Sized) -> None:
    """Set this worker's gauges."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    metrics.set("process_cpu_seconds", {}, usage.ru_utime + usage.ru_stime)
    metrics.set("process_resident_memory_bytes", {}, resident_bytes())
    metrics.set("connections", {}, len(connections))
    metrics.set("workers", {}, 1)
