"""What a pipeline is made of, as `[pipeline]` in `modelport.toml` says it, and the check that it makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.nearest import did_you_mean
from modelport.core.references import parse_version


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph. It does exactly one of four things.

    `model`: runs a model (`name`, or `name@version`) on `inputs`: its tensor → a value. `switch`: runs, row by row, the
    model that `cases` names for the value that `switch` names, or `default`. `mean`: the element-wise mean of values,
    perhaps with `weights`. `vote`: for each element, the value that most of several have; the first one of equals.

    A value is an input of the pipeline by its name, or an output of a step as `step.output`.
    """

    name: str
    model: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    switch: str = ""
    cases: dict[str, str] = field(default_factory=dict)
    default: str = ""
    mean: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    vote: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """The models that it may run, the first one telling what it takes and gives."""
        if self.model:
            return [self.model]
        return list(dict.fromkeys([*self.cases.values(), *([self.default] if self.default else [])]))

    @property
    def values(self) -> list[str]:
        """The values that it needs."""
        return [*self.inputs.values(), *([self.switch] if self.switch else []), *self.mean, *self.vote]


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """The table `[pipeline]`: the steps, and which values are the outputs (output → value)."""

    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InvalidModelError where steps contradict themselves, or wait for each other for ever."""
        if not self.steps or not self.outputs:
            raise InvalidModelError(
                "[pipeline] must have [[pipeline.steps]], and outputs such as { label = 'step.label' }"
            )
        names = [step.name for step in self.steps]
        for step in self.steps:
            _check_step(step, names)
        for value in (value for step in self.steps for value in step.values):
            self._check_value(value, names)
        for output, value in self.outputs.items():
            if "." not in value:
                raise InvalidModelError(f"[pipeline] the output {output!r} must be an output of a step, not {value!r}")
            self._check_value(value, names)
        self._check_order()

    def outputs_of(self, step: str) -> list[str]:
        """The outputs of a step that somebody needs."""
        needed = [*self.outputs.values(), *(value for item in self.steps for value in item.values)]
        return list(dict.fromkeys(value.partition(".")[2] for value in needed if value.partition(".")[0] == step))

    def inputs(self) -> Iterator[tuple[str, Step, str]]:
        """The pipeline's inputs, in the order of their first use: (input, a step that takes it, as which tensor)."""
        seen: set[str] = set()
        for step in self.steps:
            for tensor, value in step.inputs.items():
                if "." not in value and value not in seen:
                    seen.add(value)
                    yield value, step, tensor
        lost = {value for step in self.steps for value in step.values if "." not in value} - seen
        if lost:
            raise InvalidModelError(f"[pipeline] the input {min(lost)!r} is given to no model: nothing says what it is")

    def _check_value(self, value: str, names: list[str]) -> None:
        step, dot, _ = value.partition(".")
        if dot and step not in names:
            raise InvalidModelError(f"[pipeline] there is no step {step!r}{did_you_mean(step, names)} for {value!r}")

    def _check_order(self) -> None:
        done: set[str] = set()
        while len(done) < len(self.steps):
            ready = {
                step.name
                for step in self.steps
                if step.name not in done
                and all("." not in value or value.partition(".")[0] in done for value in step.values)
            }
            if not ready:
                circle = ", ".join(step.name for step in self.steps if step.name not in done)
                raise InvalidModelError(f"[pipeline] these steps wait for each other: {circle}")
            done |= ready


def model_reference(text: str) -> tuple[str, int | None]:
    """`name` or `name@version`. Raises InvalidModelError."""
    name, at, version = text.partition("@")
    try:
        return name, parse_version(version) if at else None
    except InvalidInputError as error:
        raise InvalidModelError(f"[pipeline] the model {text!r}: {error}") from None


def _check_step(step: Step, names: list[str]) -> None:
    if not step.name or "." in step.name or names.count(step.name) > 1:
        raise InvalidModelError(f"[pipeline] the step name {step.name!r} must be unique, not empty, and without a dot")
    kinds = [kind for kind in ("model", "switch", "mean", "vote") if getattr(step, kind)]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "nothing"
        raise InvalidModelError(
            f"[pipeline] step {step.name!r} must say one of model, switch, mean and vote; it says {said}"
        )
    if step.switch and not step.cases:
        raise InvalidModelError(f"[pipeline] step {step.name!r}: switch needs cases such as {{ fraud = 'model' }}")
    if kinds[0] in ("model", "switch") and not step.inputs:
        raise InvalidModelError(f"[pipeline] step {step.name!r} gives its model no inputs")
    if step.weights and len(step.weights) != len(step.mean):
        raise InvalidModelError(
            f"[pipeline] step {step.name!r} has {len(step.weights)} weights for {len(step.mean)} values"
        )
    for model in step.models:
        model_reference(model)
