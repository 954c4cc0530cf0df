"""Work at low priority, and threads that get the normal one back."""

from __future__ import annotations

import os
import threading

import pytest

from kernel_slices import kernel_slice
from modelport.engine.lifecycle import background
from modelport.engine.lifecycle.background import apart, may_raise_priority, quietly


def nice():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_work_apart_runs_at_low_priority_in_a_thread_of_its_own():
    normal, here = nice(), threading.get_ident()
    assert apart(lambda: (nice() > normal, threading.get_ident() != here)) == (True, True)
    assert nice() == normal
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 / 0)


def test_quiet_work_and_its_threads_have_the_normal_priority_afterwards():
    normal, seen, stay = nice(), [], threading.Event()
    usual = kernel_slice()
    ready = threading.Event()

    def live():
        seen.append(threading.get_native_id())
        ready.set()
        stay.wait(10)

    def work():
        thread.start()
        assert ready.wait(10)
        return nice(), os.getpriority(os.PRIO_PROCESS, seen[0])

    thread = threading.Thread(target=live)
    during = quietly(work)
    assert during == ((normal + 10,) * 2 if may_raise_priority() else (normal,) * 2)
    assert (nice(), os.getpriority(os.PRIO_PROCESS, seen[0])) == (normal, normal)
    assert {kernel_slice(), kernel_slice(seen[0])} == {usual}
    stay.set()
    thread.join()


def test_nothing_is_lowered_that_could_not_be_raised_again(monkeypatch):
    monkeypatch.setattr(background, "may_raise_priority", lambda: False)
    normal = nice()
    assert quietly(nice) == normal


def test_the_priority_comes_back_after_an_error():
    normal = nice()
    with pytest.raises(ZeroDivisionError):
        quietly(lambda: 1 / 0)
    assert nice() == normal
