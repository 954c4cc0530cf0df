"""Looks at all connections once a second: slow heads, slow bodies, idle connections. No timer per request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import perf_counter_ns

from modelport.core.errors import SlowRequestError
from modelport.server.http.lane import Lane
from modelport.server.settings import LimitSettings

#: How long a refused client may go on sending before its connection is cut, in seconds.
_LINGER = 5.0


async def sweep(connections: Iterable[object], limits: LimitSettings, every: float = 1.0) -> None:
    """Look again and again, until cancelled. `connections` is the server's live set."""
    while True:
        await asyncio.sleep(every)
        now = perf_counter_ns()
        for connection in [item for item in connections if isinstance(item, Lane)]:
            look_at(connection, limits, (now - connection.since) / 1e9)


def look_at(connection: Lane, limits: LimitSettings, waited: float) -> None:
    """Refuse or close a connection that has waited too long, in seconds, for what it waits for."""
    if connection.refused:
        if waited > _LINGER:
            connection.transport.abort()
    elif connection.in_head:
        if waited > limits.header_seconds:
            connection.refuse(SlowRequestError(f"the request's head did not end within {limits.header_seconds:g} s"))
    elif connection.in_message:
        _look_at_body(connection, limits, waited)
    elif connection.idle and waited > limits.keep_alive_seconds:
        connection.transport.close()


def _look_at_body(connection: Lane, limits: LimitSettings, waited: float) -> None:
    if connection.flow.read_paused:  # we are the slow ones
        return
    if waited > limits.body_seconds and connection.body_bytes < limits.body_rate * waited:
        connection.refuse(
            SlowRequestError(
                f"the body came too slowly: {connection.body_bytes} bytes in {waited:.0f} s; "
                f"send at least {limits.body_rate} bytes per second"
            )
        )
