"""How a promotion splits or mirrors traffic first, as options say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from modelport.registry.plans import check_plan
from modelport.registry.releases import RolloutKind, RolloutPlan
from modelport.release.conducting.rules import parse_rule

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_KINDS: tuple[RolloutKind, ...] = ("canary", "shadow", "ab")


def percent(text: str) -> float:
    """`5%` or `5`, as a number. Raises click.BadParameter."""
    try:
        return float(text.strip().removesuffix("%"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no percentage: write 5%") from None


def steps_of(text: str) -> tuple[float, ...]:
    """`5,25,100`, as numbers. Raises click.BadParameter."""
    return tuple(map(percent, text.split(",")))


def duration(text: str) -> float:
    """`30s`, `10m`, `1h30m` or a number of seconds, in seconds. Raises click.BadParameter."""
    plain = text.strip().lower()
    if _DURATION.fullmatch(plain):
        return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", plain))
    try:
        return float(plain)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no length of time: write 30s, 10m or 1h30m") from None


_OPTIONS = (
    click.option("--canary", type=percent, metavar="PERCENT", help="Give the version this share of the traffic: 5%."),
    click.option(
        "--shadow",
        type=percent,
        metavar="[PERCENT]",
        is_flag=False,
        flag_value="100",
        help="Mirror this share of the traffic to it (100% where none is named): compared, never returned.",
    ),
    click.option("--ab", type=percent, metavar="PERCENT", help="Give it this share, for a comparison by outcomes."),
    click.option(
        "--steps", type=steps_of, metavar="5,25,100", help="Shares one after the other; 100 at the end promotes."
    ),
    click.option("--every", type=duration, metavar="10m", help="How long each step takes.  [default: 10m]"),
    click.option(
        "--abort-if", metavar="RULE", help='When to go back: "error_rate > 1% or p99 > 2x or disagreement > 2%".'
    ),
    click.option("--min-requests", type=click.IntRange(0), help="Requests before the rule is judged.  [default: 50]"),
    click.option(
        "--key", metavar="HEADER", help="The header whose value makes a choice stick.  [default: x-routing-key]"
    ),
)


def rollout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a rollout."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def rollout_plan(version: int, alias: str, given: dict[str, Any]) -> RolloutPlan | None:
    """The plan, its options taken out of `given`; None where no rollout is asked for.

    Raises click.UsageError for options that do not go together, InvalidInputError for a plan that can't be.
    """
    shares = {kind: given.pop(kind) for kind in _KINDS}
    kinds = [kind for kind in _KINDS if shares[kind] is not None]
    steps = given.pop("steps")
    rest = {name: given.pop(name) for name in ("every", "abort_if", "min_requests", "key")}
    said = {name: value for name, value in rest.items() if value is not None}
    if not kinds and steps is None:
        if said:
            option = next(iter(said)).replace("_", "-")
            raise click.UsageError(
                f"--{option} is for a rollout: add --canary 5%, --shadow, --ab 50% or --steps 5,25,100"
            )
        return None
    if len(kinds) > 1:
        raise click.UsageError(f"--{kinds[0]} and --{kinds[1]} are two rollouts: name one")
    kind: RolloutKind = kinds[0] if kinds else "canary"
    first = (shares[kind],) if kinds else ()
    plan = RolloutPlan(version, kind, _joined(first, steps), alias=alias, **said)
    parse_rule(plan.abort_if)
    return check_plan(plan)


def _joined(first: tuple[float, ...], steps: tuple[float, ...] | None) -> tuple[float, ...]:
    """`--canary 5% --steps 25,100` and `--canary 5% --steps 5,25,100` are the same."""
    if steps is None or steps[:1] == first:
        return steps or first
    return (*first, *steps)
