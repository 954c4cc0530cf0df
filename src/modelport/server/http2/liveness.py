"""Whether the other side is still there and keeps up: everything that is found out by looking now and then."""

from modelport.server.http2.connection import Connection
from modelport.server.http2.frames import PING, ErrorCode

KEEPALIVE_PING = b"keepaliv"


class Liveness:
    """Looks at a connection from time to time and ends what is dead, idle or stalled."""

    def __init__(self, connection: Connection) -> None:
        now = connection.clock()
        self._connection = connection
        self._opened = now
        self._heard = now
        self._busy = now
        self._pinged: float | None = None
        self._last_id = 0
        self._unsent = 0
        self._unsent_since = now

    @property
    def interval(self) -> float:
        """Seconds after which to look again: the nearest limit is overstepped by a quarter at most."""
        limits = self._connection.limits
        times = (
            limits.handshake_timeout,
            limits.idle_timeout,
            limits.stall_timeout,
            limits.keepalive_interval,
            limits.keepalive_timeout,
            limits.drain_timeout,
        )
        return min(max(min((time for time in times if time), default=20.0) / 4, 0.02), 5.0)

    def look(self, unsent: int) -> None:
        """`unsent` is the number of bytes in the transport's buffer."""
        connection = self._connection
        now = connection.clock()
        if connection.closed:
            return
        if now >= connection.drain_by:
            connection.stop_accepting()
        if not connection.settled:
            if self._passed(now, self._opened, connection.limits.handshake_timeout):
                connection.fail(ErrorCode.SETTINGS_TIMEOUT, "handshake timeout")
            return
        self._look_for_stalls(now, unsent)
        self._keep_alive(now)
        self._look_for_idleness(now)

    def _passed(self, now: float, since: float, timeout: float) -> bool:
        return timeout > 0 and now - since > timeout

    def _look_for_stalls(self, now: float, unsent: int) -> None:
        connection = self._connection
        timeout = connection.limits.stall_timeout
        if not connection.paused or unsent < self._unsent or not self._unsent:
            self._unsent_since = now
        elif self._passed(now, self._unsent_since, timeout):
            connection.fail(ErrorCode.ENHANCE_YOUR_CALM, "stalled: nothing is read")
            return
        self._unsent = unsent
        for stream in list(connection.backlog.values()):
            if stream.moved or connection.paused or not stream.stalled_since:
                stream.moved = False
                stream.stalled_since = now
            elif self._passed(now, stream.stalled_since, timeout):
                stream.reset(ErrorCode.CANCEL)
                connection.tell(stream, stream.handle_reset, int(ErrorCode.CANCEL))

    def _keep_alive(self, now: float) -> None:
        connection = self._connection
        limits = connection.limits
        if connection.heard or connection.paused:  # while paused, nothing is read; stalls are looked for instead
            connection.heard = False
            self._heard = now
            self._pinged = None
        elif self._pinged is not None:
            if self._passed(now, self._pinged, limits.keepalive_timeout):
                connection.fail(ErrorCode.NO_ERROR, "keepalive timeout")
        elif self._passed(now, self._heard, limits.keepalive_interval):
            self._pinged = now
            connection.emit(PING, 0, 0, KEEPALIVE_PING)

    def _look_for_idleness(self, now: float) -> None:
        connection = self._connection
        if connection.streams or connection.last_id != self._last_id:
            self._last_id = connection.last_id
            self._busy = now
        elif self._passed(now, self._busy, connection.limits.idle_timeout):
            connection.drain()
