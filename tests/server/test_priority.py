"""A thread asks for short slices of time, for itself alone."""

from __future__ import annotations

import os
import sys
import threading

from kernel_slices import kernel_slice
from modelport.server.priority import share_interpreter, wake_soon


def test_one_thread_gets_short_slices_and_keeps_its_nice_value():
    seen = {}

    def work():
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, 3)
        seen["done"] = wake_soon()
        seen["nice"] = os.getpriority(os.PRIO_PROCESS, me)
        seen["own"] = kernel_slice(me)
        child = threading.Thread(target=lambda: seen.update(child=kernel_slice()))
        child.start()
        child.join()

    before = kernel_slice()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen["nice"] == 3
    if seen["own"] is not None and seen["done"]:
        assert seen["own"] == 100_000
        assert seen["child"] == before != 100_000
    assert kernel_slice() == before


def test_a_computing_thread_gives_way_soon():
    before = sys.getswitchinterval()
    try:
        share_interpreter()
        assert sys.getswitchinterval() == 0.0005
    finally:
        sys.setswitchinterval(before)
