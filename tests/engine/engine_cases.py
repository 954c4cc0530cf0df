"""Engines, served fakes and model files that the tests of the engine share."""

import asyncio
import json
import os
from pathlib import Path

import numpy as np

from modelport.core.messages import InferenceRequest
from modelport.engine import Engine, ServedVersion
from modelport.engine.settings import EngineSettings
from modelport.testing.fakes import echo_model


def engine(**settings):
    return Engine(EngineSettings(**settings))


def serve(made, model=None, name="m", version=1, execution="inline"):
    """A version in the engine, without any file."""
    served = ServedVersion(name, version, model or echo_model(), "", Path("x"), made.metrics, execution)
    made.expect(name).add(served)
    return served


def request(*values, **more):
    return InferenceRequest({"x": np.array(values or (1.0,), np.float32)}, **more)


def write(path, kind="echo", shape=(-1, 2), when=None):
    """A model file for `FakeRuntime`; `when` is its time of change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"fake": kind, "shape": list(shape)}) if kind else "{", encoding="utf-8")
    if when is not None:
        os.utime(path, (when, when))
    return path


async def settle(passes=5):
    """Let the event loop run what is ready."""
    for _ in range(passes):
        await asyncio.sleep(0)
