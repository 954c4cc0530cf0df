"""Deadlines on the monotonic clock."""

import re
import time

import pytest

from modelport.core.deadline import Deadline
from modelport.core.errors import DeadlineExceededError


def test_before_it():
    deadline = Deadline.after(60)
    assert 59 < deadline.remaining <= 60
    deadline.check()


@pytest.mark.parametrize("seconds", [0, -1.5])
def test_after_it(seconds):
    deadline = Deadline.after(seconds)
    assert deadline.remaining <= seconds
    with pytest.raises(DeadlineExceededError) as caught:
        deadline.check()
    late = float(re.fullmatch(r"the request's deadline passed (\d+\.\d{3}) s ago", str(caught.value))[1])
    assert -seconds <= late < -seconds + 5


def test_it_is_a_point_in_time():
    assert Deadline(5.0) == Deadline(5.0)
    assert Deadline(time.monotonic() + 1).remaining <= 1
