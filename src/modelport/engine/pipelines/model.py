"""A pipeline's signature, out of those of the models that it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from modelport.core.datatypes import Array
from modelport.core.declared import DeclaredTensor
from modelport.core.errors import InvalidModelError, ModelportError, UnsupportedError
from modelport.core.runtime import ModelInfo
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.pipelines.definition import PipelineOptions, Step, model_reference
from modelport.engine.served import ServedVersion

Find = Callable[[str, int | None], ServedVersion]


@dataclass(frozen=True)
class PipelineModel:
    """What a pipeline looks like from outside. It is run by a PipelineFront, not by `predict`."""

    signature: Signature
    info: ModelInfo

    def predict(self, inputs: dict[str, Array], outputs: tuple[str, ...] | None = None) -> dict[str, Array]:
        """Raises UnsupportedError: its steps belong to the engine."""
        raise UnsupportedError("a pipeline runs in the engine only")

    def close(self) -> None:
        """Its steps are closed by themselves."""


def pipeline_model(options: PipelineOptions, find: Find, declared: tuple[DeclaredTensor, ...] = ()) -> PipelineModel:
    """A pipeline of models that are served already. Raises InvalidModelError for what does not fit together."""
    options.check()
    known = {item.name: item for item in declared}
    inputs = []
    for name, step, tensor in options.inputs():
        spec = _specs(step, find, "inputs").get(tensor)
        if spec is None:
            raise _unknown(step, "input", tensor, _specs(step, find, "inputs"))
        item = known.get(name)
        inputs.append(replace(spec, name=name) if item is None else item.spec(spec.datatype, spec.shape))
    outputs = [replace(_value(options, value, find), name=name) for name, value in options.outputs.items()]
    for step in options.steps:
        _check_inputs(options, step, find)
    models = ", ".join(dict.fromkeys(model for step in options.steps for model in step.models))
    info = ModelInfo("pipeline", "modelport_pipeline", "pipeline", {"models": models})
    return PipelineModel(Signature(tuple(inputs), tuple(outputs)), info)


def _specs(step: Step, find: Find, what: str) -> dict[str, TensorSpec]:
    """The inputs or outputs of the step's (first) model by name."""
    try:
        served = find(*model_reference(step.models[0]))
    except ModelportError as error:
        raise InvalidModelError(f"[pipeline] step {step.name!r}: {error}") from None
    return {spec.name: spec for spec in getattr(served.signature, what)}


def _value(options: PipelineOptions, value: str, find: Find) -> TensorSpec:
    """What a step's output is like."""
    name, _, output = value.partition(".")
    step = next(item for item in options.steps if item.name == name)
    if step.mean or step.vote:
        first = (step.mean or step.vote)[0]
        if "." not in first:
            raise InvalidModelError(f"[pipeline] step {name!r} must combine outputs of steps, not the input {first!r}")
        return _value(options, first, find)
    specs = _specs(step, find, "outputs")
    if output not in specs:
        raise _unknown(step, "output", output, specs)
    return specs[output]


def _check_inputs(options: PipelineOptions, step: Step, find: Find) -> None:
    """Every model of the step takes what it is given, as far as names and datatypes tell."""
    for model in step.models:
        one = replace(step, model=model, cases={}, default="", switch="")
        specs = _specs(one, find, "inputs")
        for tensor, value in step.inputs.items():
            if tensor not in specs:
                raise _unknown(one, "input", tensor, specs)
            if "." in value:
                given, taken = _value(options, value, find), specs[tensor]
                if given.datatype != taken.datatype:
                    wanted = f"but {model!r} takes {taken.describe()}"
                    raise InvalidModelError(f"[pipeline] step {step.name!r}: {value} is {given.datatype}, {wanted}")
        missing = [spec.name for spec in specs.values() if spec.name not in step.inputs and not spec.optional]
        if missing:
            raise InvalidModelError(f"[pipeline] step {step.name!r} gives {model!r} no {missing[0]!r}")


def _unknown(step: Step, what: str, name: str, specs: dict[str, TensorSpec]) -> InvalidModelError:
    listed = "; ".join(spec.describe() for spec in specs.values())
    return InvalidModelError(
        f"[pipeline] step {step.name!r}: {step.models[0]!r} has no {what} {name!r}; it has {listed}"
    )
