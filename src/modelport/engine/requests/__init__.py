"""The request log: what was asked and answered, on disk, to be looked at and asked again."""

from modelport.engine.requests.log import RequestLogs, VersionLog
from modelport.engine.requests.options import LoggingOptions
from modelport.engine.requests.reading import LoggedRequests, Wanted
from modelport.engine.requests.record import Record

__all__ = ["LoggedRequests", "LoggingOptions", "Record", "RequestLogs", "VersionLog", "Wanted"]
