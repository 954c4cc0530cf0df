"""Sockets and processes: the lanes, the ASGI app, the supervisor and its workers."""
