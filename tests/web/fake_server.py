"""A server of the pages whose predictions are made up, for tests in a browser. `python fake_server.py` shows it."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fake_catalog import FakeCatalog, everything
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from modelport.web.app import web_routes


@dataclass
class Call:
    """One prediction that was asked for."""

    path: str
    content_type: str
    body: bytes


@dataclass
class FakeServer:
    """The app; `calls` are the predictions asked for, `answer` overrides what is answered: (status, document)."""

    catalog: FakeCatalog
    calls: list[Call] = field(default_factory=list)
    answer: tuple[int, Any] | None = None
    url: str = ""
    registry: Any = None

    def app(self) -> Starlette:
        paths = ("/models/{name}/predict", "/models/{name}/versions/{version}/predict")
        ours = [Route(path, self.predict, methods=["POST"]) for path in paths]
        return Starlette(
            routes=[*ours, Route("/docs", _page), Route("/metrics", _page), *web_routes(self.catalog, self.registry)]
        )

    async def predict(self, request: Request) -> JSONResponse:
        body = await request.body()
        self.calls.append(Call(request.url.path, request.headers.get("content-type", ""), body))
        if self.answer is not None:
            status, document = self.answer
            return JSONResponse(document, status)
        name = request.path_params["name"]
        return JSONResponse({"model": name, "version": 1, "predictions": [_prediction(name, body)]})


def _prediction(name: str, body: bytes) -> dict[str, Any]:
    """Something of the right form that changes with the request."""
    turn = (sum(body) % 97) / 97
    match name:
        case "breast-cancer":
            return {"label": "benign", "probabilities": {"malignant": 0.03 + turn / 10, "benign": 0.97 - turn / 10}}
        case "diabetes":
            return {"progression": 152.133 + turn}
        case "digits":
            scores = [math.exp(-abs(digit - 3) * 1.4 - turn) for digit in range(10)]
            return {"label": "3", "probabilities": {str(d): score / sum(scores) for d, score in enumerate(scores)}}
        case "sentiment":
            return {"label": "positive", "scores": {"negative": 0.004, "neutral": 0.15, "positive": 0.846}}
        case "fraud":
            return {"score": 0.8731}
        case _:
            return {"ranks": [0.1, 0.25, 0.6, 0.05], "norm": 2.449489742783178}


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("not part of the fake")


@contextmanager
def running(server: FakeServer, host: str = "127.0.0.1") -> Iterator[FakeServer]:
    """Serve on a random port until the block ends."""
    listener = socket.create_server((host, 0))
    server.url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(server.app(), log_level="warning", ws="none", lifespan="off")
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        runner.should_exit = True
        thread.join(10)
        listener.close()


if __name__ == "__main__":
    uvicorn.run(FakeServer(everything()).app(), port=8765, log_level="warning")
