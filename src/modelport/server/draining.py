"""Letting go of clients without failing a request: they are told to go elsewhere before anything is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from time import perf_counter_ns
from typing import Any

from modelport.server.http.lane import Lane

#: A connection without a request for so long, in seconds, hardly gets one in the moment in which it is closed.
_IDLE = 2.0
_LOOK_EVERY = 0.02


async def let_go(connections: Collection[Any], seconds: float, hurry: Callable[[], bool], idle: float = _IDLE) -> None:
    """Tell every client that this server goes away; returns once no HTTP/1.1 connection is left.

    An HTTP/2 connection says GOAWAY at once: what its client sends meanwhile is answered. HTTP/1.1 can say so only with
    an answer (`connection: close`), so a connection waits for one more request; it is closed once it has had none for
    `idle` seconds. It ends after `seconds`, or when `hurry` says that nobody shall wait any longer.
    """
    told: set[Any] = set()
    until = time.monotonic() + seconds
    while not hurry() and time.monotonic() < until:
        for connection in [item for item in connections if item not in told]:
            told.add(connection)
            if isinstance(connection, Lane):
                connection.draining = True
            else:
                connection.shutdown()
        lanes = [item for item in connections if isinstance(item, Lane)]
        if not lanes:
            return
        for lane in lanes:
            if lane.idle and perf_counter_ns() - lane.since > idle * 1e9:
                lane.shutdown()
        await asyncio.sleep(_LOOK_EVERY)
