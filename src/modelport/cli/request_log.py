"""Where the commands about logged requests find them, and how requests look on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from modelport.cli.prediction_text import aligned
from modelport.engine.requests import LoggedRequests
from modelport.registry.opening import registry_settings

WIDTH = 160
_VALUES = 8


def log_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--log`."""
    return click.option(
        "--log",
        default="",
        metavar="FOLDER",
        help="Folder of the request log.  [default: MODELPORT_REQUEST_LOG, else the folder requests in --home]",
    )(command)


def local_log(log: str, home: str) -> LoggedRequests:
    """The log that the options and the environment mean."""
    named = log or ("" if home else os.environ.get("MODELPORT_REQUEST_LOG", ""))
    folder = Path(named) if named else registry_settings(os.environ, home).folder / "requests"
    return LoggedRequests(folder.expanduser().absolute())


def list_lines(found: list[dict[str, Any]]) -> list[str]:
    """A table of requests, as the API tells them."""
    if not found:
        return ["no such request is logged"]
    rows = [["when (UTC)", "request", "model", "dialect", "ms", "outcome"]]
    rows += [
        [
            item["at"][:23].replace("T", " "),
            item["id"],
            f"{item['model']}@{item['version']}",
            item["dialect"],
            f"{item['ms']['total']:.2f}",
            "ok" if item["ok"] else f"{item['kind']}: {item['error']}".rstrip(": "),
        ]
        for item in found
    ]
    return aligned(rows, WIDTH)


def request_lines(found: dict[str, Any]) -> Iterator[str]:
    """Everything of one request."""
    facts = {
        "request": found["id"],
        "client's own id": found["client_id"],
        "when": f"{found['at'][:23].replace('T', ' ')} UTC",
        "model": f"{found['model']}@{found['version']}  sha256:{found['digest']}",
        "rollout": str(found["rollout"] or ""),
        "dialect": found["dialect"],
        "signature": found["signature"],
        "time": ", ".join(f"{stage} {value:.3f} ms" for stage, value in found["ms"].items()),
        "cache": found["cache"],
        "failed": "" if found["ok"] else f"{found['kind']}: {found['error']}".rstrip(": "),
        "not stored": ", ".join(found["hidden"]),
    }
    width = max(map(len, facts)) + 2
    yield from (f"{name:<{width}}{value}" for name, value in facts.items() if value)
    if found["inputs"] is not None:
        yield from _tensors("Inputs", found["inputs"])
    for number, answer in enumerate(found["answers"], 1):
        yield from _tensors("Outputs" if len(found["answers"]) == 1 else f"Outputs of response {number}", answer)


def _tensors(title: str, tensors: list[dict[str, Any]]) -> Iterator[str]:
    yield title
    for tensor in tensors:
        values = ", ".join(_value(value) for value in tensor["data"][:_VALUES])
        more = ", …" if len(tensor["data"]) > _VALUES or "cut" in tensor else ""
        hidden = f" (without columns {tensor['hidden_columns']})" if "hidden_columns" in tensor else ""
        yield f"  {tensor['name']} {tensor['datatype']} {tensor['shape']}{hidden}  {values}{more}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    return repr(value) if isinstance(value, str) else str(value)
