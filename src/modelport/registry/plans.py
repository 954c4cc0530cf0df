"""Whether a rollout can be as it is planned."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import get_args

from modelport.core.errors import InvalidInputError
from modelport.registry.references import check_alias, check_text
from modelport.registry.releases import RolloutKind, RolloutPlan

_MOST_STEPS = 100
_LONGEST_STEP = 366 * 86_400.0
_LONGEST_KEY = 200


def check_plan(plan: RolloutPlan) -> RolloutPlan:
    """The plan itself. Raises InvalidInputError naming what can't be. Rules in `abort_if` are not looked into."""
    check_alias(plan.alias)
    check_text(plan.abort_if, "the rule that aborts it")
    if plan.kind not in get_args(RolloutKind):
        kinds = ", ".join(get_args(RolloutKind))
        raise InvalidInputError(f"{plan.kind!r} is no kind of rollout: there are {kinds}")
    if len(check_text(plan.key, "the key")) > _LONGEST_KEY:
        raise InvalidInputError(f"the key, a header's name, is longer than {_LONGEST_KEY} characters")
    if plan.min_requests < 0:
        raise InvalidInputError(f"{plan.min_requests} requests can't be awaited: write 0 or more")
    if not 0 < plan.every <= _LONGEST_STEP:
        raise InvalidInputError(f"a step can't take {plan.every} s: write more than 0, and a year at most")
    _check_steps(plan.steps)
    return plan


def _check_steps(steps: tuple[float, ...]) -> None:
    if not 0 < len(steps) <= _MOST_STEPS:
        raise InvalidInputError(f"a rollout has 1 to {_MOST_STEPS} steps, not {len(steps)}")
    for step in steps:
        if not (math.isfinite(step) and 0 < step <= 100):
            raise InvalidInputError(f"a step of {step} %: write more than 0, and 100 at most")
    for step, following in pairwise(steps):
        if following <= step:
            raise InvalidInputError(f"the steps have to rise, but {following:g} % comes after {step:g} %")
