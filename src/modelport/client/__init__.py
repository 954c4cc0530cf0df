"""The Python client: a Modelport server, or any other that speaks Open Inference Protocol v2, with numpy in and out.

    from modelport.client import Client

    with Client("http://127.0.0.1:8000") as client:
        result = client.infer("fraud", {"X": rows})      # named arrays in, named arrays out
        client.predict("fraud", {"amount": 1000, "time": 2})     # a record in, labels and scores out

Errors are those of `modelport.core.errors`. Importing this loads no inference framework and no web framework.
"""

from modelport.client.async_client import AsyncClient
from modelport.client.client import Client
from modelport.client.exchange import Request, Response
from modelport.client.result import InferenceResult

__all__ = ["AsyncClient", "Client", "InferenceResult", "Request", "Response"]
