"""What the terminal says once a server is ready: what it serves, where, and a call that works."""

from __future__ import annotations

import json
from urllib.parse import quote

from modelport import __version__
from modelport.core.signature import Signature
from modelport.engine.engine import Engine
from modelport.engine.served import ServedModel, ServedVersion
from modelport.wire.examples import example_rows, takes_picture

_SHOWN = 20
_LONGEST_CALL = 1500


def banner(engine: Engine, url: str, follows: str = "") -> str:
    """Several lines: the models, the addresses, the curl line. `follows` is where the registry is that says what."""
    models = engine.models()
    lines = [f"Modelport {__version__} serves {_count(len(models))} on {url}", ""]
    lines += [_model_line(model) for model in models[:_SHOWN]]
    if len(models) > _SHOWN:
        lines.append(f"  … and {len(models) - _SHOWN} more")
    if follows:
        lines += ["", f"  following the registry {follows}"]
    lines += ["", f"  page     {url}/", f"  API      {url}/docs", f"  metrics  {url}/metrics"]
    ready = [model.default for model in models if model.default is not None]
    if ready:
        lines += ["", "  Try it:", "", f"  {curl(ready[0], url)}", ""]
    return "\n".join(lines)


def nothing_works(engine: Engine) -> str | None:
    """Why it makes no sense to go on: there are models, and not one of them loaded."""
    models = engine.models()
    if models and all(model.state == "failed" for model in models):
        return "\n".join(f"Error: {model.name} was not loaded: {model.error}" for model in models)
    return None


def curl(version: ServedVersion, url: str) -> str:
    """The shell command that gets a prediction from a version."""
    target = f"{url}/models/{quote(version.model)}/predict"
    if takes_picture(version.signature):
        return f"curl {target} --data-binary @picture.png"
    return f"curl {target} -H 'Content-Type: application/json' -d '{_document(version.signature)}'"


def _document(signature: Signature) -> str:
    text = json.dumps({"instances": example_rows(signature)}, ensure_ascii=False).replace("'", "'\\''")
    return text if len(text) <= _LONGEST_CALL else "@request.json"


def _model_line(model: ServedModel) -> str:
    version = model.default
    if version is None:
        return f"  {model.name}  {model.state}: {model.error or ''}".rstrip()
    signature = version.signature
    inputs = ", ".join(spec.describe() for spec in signature.inputs[:4])
    outputs = ", ".join(spec.name for spec in signature.outputs[:6])
    return f"  {model.name}  version {version.version}  {version.info.format}  {inputs} → {outputs}"


def _count(number: int) -> str:
    return {0: "no model yet", 1: "1 model"}.get(number, f"{number} models")
