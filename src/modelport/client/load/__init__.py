"""A load generator: requests prepared once and sent again and again, from several processes, with honest latencies."""

from modelport.client.load.histogram import Histogram
from modelport.client.load.outcome import PERCENTS, Outcome
from modelport.client.load.payloads import DIALECTS, made_inputs, payload
from modelport.client.load.plan import Payload, Plan
from modelport.client.load.processes import run
from modelport.client.load.search import Found, highest_rate

__all__ = [
    "DIALECTS",
    "PERCENTS",
    "Found",
    "Histogram",
    "Outcome",
    "Payload",
    "Plan",
    "highest_rate",
    "made_inputs",
    "payload",
    "run",
]
