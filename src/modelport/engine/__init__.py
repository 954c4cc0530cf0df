"""The data plane without sockets: which models are served, and what happens to a request for one of them."""

from modelport.engine.engine import Engine
from modelport.engine.served import ServedModel, ServedVersion

__all__ = ["Engine", "ServedModel", "ServedVersion"]
