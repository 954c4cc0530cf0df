"""docs/dialects.md has every path that the server answers, and no other."""

import itertools
import re
from pathlib import Path

import httpx

PAGE = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text()
#: Paths of the app itself, and what stands for a variable's value.
OUTSIDE = {"/docs", "/openapi.json", "/explanations/{model}/{version}", "/explanations/{model}"}


def expanded(text):
    """A path with `[…]` as the paths without and with it."""
    parts = re.split(r"\[([^]]*)\]", text)
    choices = [("", part) if number % 2 else (part,) for number, part in enumerate(parts)]
    return {"".join(chosen) for chosen in itertools.product(*choices)}


def documented():
    table = PAGE.partition("## Paths")[2].partition("## gRPC")[0]
    return {path for text in re.findall(r"`(/[^`]*)`", table) for path in expanded(text)}


def test_every_path_is_documented_and_every_documented_path_is_there(server):
    paths = set(httpx.get(server.url + "/openapi.json").json()["paths"]) - {"/predictions/{path}"}
    assert paths - documented() == set()
    assert documented() - paths - OUTSIDE == set()


def test_every_grpc_service_is_documented():
    from modelport.bootstrap.wiring import grpc_methods
    from modelport.engine.engine import Engine
    from modelport.engine.lifecycle.manager import Lifecycle
    from modelport.engine.lifecycle.policy import parse_policy
    from modelport.server.extensions import Extensions

    engine = Engine()
    extensions = Extensions(engine, Lifecycle(engine, dict, parse_policy("latest")), None)
    services = {path.decode().split("/")[1] for path in grpc_methods(engine, extensions)}
    assert services == set(re.findall(r"`([\w.]+\.\w+)`", PAGE.partition("## gRPC")[2].partition("## Where")[0]))


def test_every_variable_of_a_platform_is_documented():
    source = (Path(__file__).parents[2] / "src/modelport/bootstrap/platforms.py").read_text()
    variables = set(re.findall(r'"((?:SAGEMAKER|AIP|AML|AZUREML|SERVER|SERVICE)_[A-Z_]*[A-Z])"', source))
    assert len(variables) > 10
    assert {name for name in variables if f"`{name}" not in PAGE and name not in PAGE} == set()
