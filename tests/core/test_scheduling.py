"""A thread's nice value, policy and slices, as the kernel tells them."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from kernel_slices import kernel_slice
from modelport.core import scheduling
from modelport.core.scheduling import LONG, MIDDLE, SHORT, be, give_way, nice, slice_of, undisturbed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies and slices")


def in_a_thread(work):
    """What `work` gives in a thread of its own: what it does to that ends with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def state():
    return nice(), os.sched_getscheduler(0), kernel_slice()


def test_a_thread_is_idle_and_then_as_it_was():
    def work():
        before = state()
        became = be(before[0], LONG, idle=True), state()
        give_way()
        again = be(before[0]), state()
        return before, became, again

    before, (idle, then), (back, again) = in_a_thread(work)
    assert idle
    assert then[:2] == (before[0], os.SCHED_IDLE)
    if then[2] is not None and then[2] != before[2]:  # a kernel that knows of slices
        assert then[2] == LONG
    if back:
        assert again == before
    else:
        assert again == then, "without the right to, it stays as it is"


def test_becoming_nicer_is_always_allowed_and_is_for_this_thread_alone():
    normal = nice()
    assert in_a_thread(lambda: (be(normal + 3, LONG), nice())) == (True, normal + 3)
    assert nice() == normal


def test_without_slices_and_policies_a_thread_is_at_least_nice(monkeypatch):
    monkeypatch.setattr(scheduling, "_CALLS", None)
    normal = nice()
    assert in_a_thread(lambda: (be(normal + 4, LONG), nice())) == (False, normal + 4)
    assert in_a_thread(lambda: (be(normal, LONG, idle=True), nice())) == (False, 19)
    assert nice() == normal


def test_where_threads_are_not_nice_on_their_own_nothing_is_done(monkeypatch):
    def refuse(*_):
        raise ProcessLookupError

    monkeypatch.setattr(scheduling, "_CALLS", None)
    monkeypatch.setattr(os, "getpriority", refuse)
    monkeypatch.setattr(os, "setpriority", refuse)
    assert (nice(), be(nice(), SHORT)) == (0, False)


def test_what_it_starts_inherits_or_does_not():
    def work(inherited):
        be(nice() + 2, LONG, inherited=inherited)
        return kernel_slice(), in_a_thread(kernel_slice)

    usual = kernel_slice()
    own, inherited = in_a_thread(lambda: work(True))
    assert inherited == own
    assert in_a_thread(lambda: work(False)) == (own, usual)


def test_another_thread_is_told_by_its_number():
    told, done = threading.Event(), threading.Event()
    seen = {}

    def live():
        seen["thread"] = threading.get_native_id()
        told.set()
        done.wait(10)
        seen["state"] = state()

    thread = threading.Thread(target=live)
    thread.start()
    assert told.wait(10)
    before = state()
    assert be(nice() + 5, LONG, thread=seen["thread"])
    assert state() == before
    done.set()
    thread.join()
    assert seen["state"][0] == nice() + 5
    assert not be(nice(), thread=seen["thread"]), "it has ended"


def test_a_thread_of_short_slices_is_undisturbed_for_a_while():
    if not slice_of(threading.get_native_id()):
        pytest.skip("this kernel tells no slices")

    def work():
        me = threading.get_native_id()
        be(nice(), SHORT, inherited=False)
        before = slice_of(me)
        with undisturbed(me):
            during = slice_of(me)
        return before, during, slice_of(me)

    assert in_a_thread(work) == (SHORT, MIDDLE, SHORT)
    usual = slice_of(threading.get_native_id())
    with undisturbed(threading.get_native_id()):
        assert slice_of(threading.get_native_id()) == usual
    with undisturbed(2**22 + 1):  # no such thread
        assert slice_of(2**22 + 1) == 0


def test_a_thread_of_another_policy_is_left_alone():
    def work():
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        return be(nice(), LONG), os.sched_getscheduler(0)

    assert in_a_thread(work) == (False, os.SCHED_BATCH)
