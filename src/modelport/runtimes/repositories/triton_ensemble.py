"""Triton's ensembles as pipelines of ours."""

from __future__ import annotations

import re
from typing import Any

from modelport.core.errors import InvalidModelError
from modelport.runtimes.repositories.text_format import Message


def pipeline(config: Message) -> dict[str, Any]:
    """The table `[pipeline]`: steps, each with its model and what goes into it, and the outputs.

    In an ensemble the tensors between the models have names of their own; in a pipeline a value is an input of it or
    `step.output`. Raises InvalidModelError for a tensor that nothing makes.
    """
    steps = config["ensemble_scheduling"][-1].get("step", [])
    if not steps:
        raise InvalidModelError("its ensemble_scheduling has no steps")
    names = _step_names([_text(step, "model_name") for step in steps])
    values = {_text(tensor, "name"): _text(tensor, "name") for tensor in config.get("input", [])}
    for name, step in zip(names, steps, strict=True):
        values.update({tensor: f"{name}.{output}" for output, tensor in _map(step, "output_map").items()})
    made = []
    for name, step in zip(names, steps, strict=True):
        inputs = {own: _value(tensor, values) for own, tensor in _map(step, "input_map").items()}
        made.append({"name": name, "model": _reference(step), "inputs": inputs})
    outputs = {_text(tensor, "name"): _value(_text(tensor, "name"), values) for tensor in config.get("output", [])}
    return {"steps": made, "outputs": outputs}


def _step_names(models: list[str]) -> list[str]:
    """A name for each step: its model's, with a number where that comes again."""
    names: list[str] = []
    for model in models:
        name = re.sub(r"\W", "_", model) or "step"
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    return names


def _reference(step: Message) -> str:
    version = int((step.get("model_version") or [-1])[-1])
    return _text(step, "model_name") if version < 0 else f"{_text(step, 'model_name')}@{version}"


def _map(step: Message, name: str) -> dict[str, str]:
    """`input_map { key: "X" value: "RAW" }`: the model's tensor → the ensemble's."""
    return {_text(entry, "key"): _text(entry, "value") for entry in step.get(name, [])}


def _value(tensor: str, values: dict[str, str]) -> str:
    try:
        return values[tensor]
    except KeyError:
        known = ", ".join(values)
        raise InvalidModelError(
            f"its ensemble needs the tensor {tensor!r}, which nothing makes; there are {known}"
        ) from None


def _text(message: Message, name: str) -> str:
    return str((message.get(name) or [""])[-1])
